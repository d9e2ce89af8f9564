#!/usr/bin/env python3
"""PyTorch, ONNX Runtime and this program on the same weights, taking turns: bench/peers/run calls it.

    compare.py FOLDER BIN [--rounds N] [--only NAME,...] [--json FILE]

FOLDER holds checkpoint/, *.onnx and data/ (made here where missing), BIN our programs. Every peer is a
process that reads a line and does what it says; a round asks each for the same batch, one after the
other, so that whatever else the machine does meets all of them alike. The figures are medians.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
VISION_BATCHES, TEXT_LENGTHS, TEXTS = (1, 8, 32), (7, 77), 64
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
# Operations of the products (two a multiply-add), ViT-B/32: a picture, and a token of a text.
PICTURE_GOP, TOKEN_GOP = 8.82, 12 * 12 * 512 * 512 * 2e-9


def make_data(folder, program, checkpoint):
    """32 pictures of coloured noise whose spectrum falls as a photograph's does, and 64 texts of 7 and 77 tokens."""
    data = folder + '/data'
    if os.path.exists(data + '/complete'):
        return data
    os.makedirs(data, exist_ok=True)
    random = np.random.Generator(np.random.PCG64(7))
    frequency = np.hypot(np.fft.fftfreq(224)[:, None], np.fft.rfftfreq(224)[None, :])
    frequency[0, 0] = 1 / 224
    shape = (32, 3) + frequency.shape
    noise = np.fft.irfft2((random.standard_normal(shape) + 1j * random.standard_normal(shape)) / frequency, s=(224, 224))
    noise /= noise.std((2, 3), keepdims=True)
    pixels = np.clip(120 + 55 * noise, 0, 255).astype(np.uint8)
    pixels.transpose(0, 2, 3, 1).tofile(data + '/pixels.u8')
    mean, std = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (MEAN, STD))
    ((pixels / np.float32(255) - mean) / std).astype('<f4').tofile(data + '/pixels.f32')
    # One-letter words: a token each in any vocabulary that CLIP's tokenizer reads.
    for length in TEXT_LENGTHS:
        texts = [' '.join(random.choice(list('abcdefghijklmnopqrstuvwxyz'), length - 2)) for _ in range(TEXTS)]
        ids = []
        for text in texts:
            out = subprocess.run([program, 'tokenize', text, '--model', checkpoint], check=True, capture_output=True)
            ids.append(json.loads(out.stdout)['ids'])
        np.array(ids, '<i8').reshape(TEXTS, length).tofile(f'{data}/ids{length}.i64')
        with open(f'{data}/texts{length}.txt', 'w') as file:
            file.write('\n'.join(texts) + '\n')
    open(data + '/complete', 'w').close()
    return data


class Peer:
    def __init__(self, name, command, environment=None):
        self.name, self.command = name, command
        self.environment = {**os.environ, **(environment or {})}
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=self.environment, cwd=HERE)

    def ask(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f'{self.name}: ended at "{line}" with exit code {self.process.wait()}')
        return answer

    def peak_mb(self):
        with open(f'/proc/{self.process.pid}/status') as file:
            return next(int(line.split()[1]) for line in file if line.startswith('VmHWM')) / 1024

    def stop(self):
        self.process.stdin.close()
        self.process.wait()

    def supports(self):
        """Whether it starts at all on this machine (a precision that the CPU lacks is refused)."""
        process = subprocess.run(self.command, input='', capture_output=True, text=True, env=self.environment, cwd=HERE)
        if process.returncode:
            print(f'{self.name}: left out: {process.stderr.strip().splitlines()[-1:]}', file=sys.stderr)
        return process.returncode == 0


def peers(folder, binaries, data, threads):
    checkpoint = folder + '/checkpoint'
    # OpenBLAS doesn't know newer CPUs and takes their slowest ancestor; more threads than asked would spin.
    torch = {'OPENBLAS_NUM_THREADS': str(threads), 'OMP_NUM_THREADS': str(threads)}
    with open('/proc/cpuinfo') as file:
        if ' avx512f ' in file.read():
            torch['OPENBLAS_CORETYPE'] = 'SkylakeX'
    found = [Peer('PyTorch f32', ['/usr/bin/python3', 'torch_peer.py', checkpoint, data, str(threads)], torch)]
    for precision in ('f32', 'int8'):
        name = 'ONNX Runtime ' + ('f32' if precision == 'f32' else 'dynamic int8')
        found.append(Peer(name, ['node', 'onnx_peer.mjs', folder, data, str(threads), precision]))
    for precision in ('f32', 'bf16', 'int8'):
        found.append(Peer('pgmmr ' + precision, [binaries + '/ours_peer', checkpoint, data, str(threads), precision]))
    return found


def tasks():
    for batch in VISION_BATCHES:
        yield f'v{batch}', f'vision 0 {batch}'
    for length in TEXT_LENGTHS:
        yield f't{length}', f'text {length} 1'
    yield f't{TEXT_LENGTHS[0]}x{TEXTS}', f'text {TEXT_LENGTHS[0]} {TEXTS}'


def measure(team, rounds):
    times = {peer.name: {} for peer in team}
    for name, line in tasks():
        repeats = 5 if name in ('v1', 't7', 't77') else 2
        for peer in team:
            peer.ask(f'time {line} 2')
        for _ in range(rounds):
            for peer in team:
                answer = [float(value) for value in peer.ask(f'time {line} {repeats}').split()]
                times[peer.name].setdefault(name, []).extend(answer)
        print(f'  {name}', file=sys.stderr, end='', flush=True)
    print(file=sys.stderr)
    return {peer: {name: statistics.median(values) for name, values in found.items()} for peer, found in times.items()}


def shares_beside_another(team, rounds):
    """What is left of the pictures/s in batches of 8 while one other process keeps a core busy."""
    shares = {peer.name: [] for peer in team}
    for _ in range(rounds):
        for peer in team:
            def spent():
                return statistics.median(float(value) for value in peer.ask('time vision 0 8 3').split())
            alone = spent()
            other = subprocess.Popen(['sh', '-c', 'while :; do :; done'])
            try:
                shares[peer.name].append(alone / spent())
            finally:
                other.kill()
                other.wait()
    return {name: statistics.median(values) for name, values in shares.items()}


def cosines(team, data):
    out = {peer.name: {} for peer in team}
    for tower, line in (('vision', 'save vision 0'), ('text', f'save text {TEXT_LENGTHS[1]}')):
        reference = None
        for peer in team:
            path = f'{data}/embeddings'
            peer.ask(f'{line} {path}')
            rows = np.fromfile(path, '<f4').reshape(-1, 512).astype(np.float64)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            reference = rows if reference is None else reference
            out[peer.name][tower] = float((rows * reference).sum(1).min())
    return out


def cold_starts(team, rounds):
    """From the start of the process to the first embedding of a text, files in the page cache; and its memory."""
    times, memory = {}, {}
    for attempt in range(rounds + 1):
        for peer in team:
            start = time.perf_counter()
            peer.start()
            peer.ask(f'time text {TEXT_LENGTHS[0]} 1 1')
            spent = time.perf_counter() - start
            if attempt == 0:  # reads the files, and leaves the caches that later processes use
                peer.ask('time vision 0 1 1')
            else:
                times.setdefault(peer.name, []).append(spent)
                memory[peer.name] = peer.peak_mb()
            peer.stop()
    return {name: {'cold_s': statistics.median(values), 'text_mb': memory[name]} for name, values in times.items()}


def limits(binaries, threads):
    out = subprocess.run([binaries + '/machine', str(threads)], check=True, capture_output=True, text=True).stdout
    return {line.split()[0]: float(line.split()[2]) for line in out.splitlines()}


def print_table(threads, results, limit):
    print(f'\n{threads} thread{"s" if threads > 1 else ""}; the machine: ' +
          ', '.join(f'{name} {value:.0f} {"GB/s" if name == "memory" else "Gop/s"}' for name, value in limit.items()))
    columns = ['v1', 'v8', 'v32', 't7', 't77', f't7x{TEXTS}']
    print('\n| | pictures/s, 1 | 8 | 32 | of the limit | of AMX | beside a busy process | text 7, ms | 77, ms | texts/s, 64 | cold start, ms '
          '| peak MB, text | both towers | cosine, pictures | texts |')
    print('|' + ' --- |' * 15)
    for name, result in results.items():
        precision = name.split()[-1]
        rate = {column: 1000 * (int(column.split('v')[1]) if column[0] == 'v' else TEXTS) / result[column]
                for column in columns if column[0] == 'v' or 'x' in column}

        def share(kind):
            return f'{100 * rate["v8"] * PICTURE_GOP / limit[kind]:.0f} %' if kind in limit else '-'

        print(f'| {name} | {rate["v1"]:.1f} | {rate["v8"]:.1f} | {rate["v32"]:.1f} | {share(precision)} | '
              f'{share(precision + "_amx")} | {100 * result["beside"]:.0f} % | {result["t7"]:.2f} | {result["t77"]:.2f} | {rate[columns[-1]]:.0f} | '
              f'{1000 * result["cold_s"]:.0f} | {result["text_mb"]:.0f} | {result["both_mb"]:.0f} | '
              f'{result["vision"]:.6f} | {result["text"]:.6f} |')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('folder')
    parser.add_argument('binaries')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--threads', help='e.g. 1,2; default: one, and all')
    parser.add_argument('--only', help='names of peers, comma-separated; the first one is what cosines refer to')
    parser.add_argument('--json')
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    counts = [int(n) for n in options.threads.split(',')] if options.threads else sorted({1, cores})
    data = make_data(options.folder, options.binaries + '/pgmmr', options.folder + '/checkpoint')
    everything = {}
    for threads in counts:
        team = [peer for peer in peers(options.folder, options.binaries, data, threads)
                if (not options.only or peer.name in options.only.split(',')) and peer.supports()]
        print(f'{threads} threads: {", ".join(peer.name for peer in team)}', file=sys.stderr)
        before = limits(options.binaries, threads)
        cold = cold_starts(team, options.rounds)
        for peer in team:
            peer.start()
        results = measure(team, options.rounds)
        beside = shares_beside_another(team, options.rounds)
        close = cosines(team, data)
        for peer in team:
            results[peer.name].update(cold[peer.name], both_mb=peer.peak_mb(), beside=beside[peer.name], **close[peer.name])
            peer.stop()
        # The better of two: the limit is what the machine can do, not what a neighbour left of it.
        after = limits(options.binaries, threads)
        limit = {name: max(value, after[name]) for name, value in before.items()}
        print_table(threads, results, limit)
        everything[threads] = {'limits': limit, 'peers': results}
    if options.json:
        with open(options.json, 'w') as file:
            json.dump(everything, file, indent=1)


if __name__ == '__main__':
    main()
