#!/usr/bin/env python3
"""What `pgmmr serve` makes of what encoding and the database alone allow, on a collection that is there already.

    bench/serve/load.py [-c demo] [--mode vector] [--seconds 3] [--rounds 8] [--requests 0] [--program build/release/pgmmr]

Needs wrk and pgbench (Debian's wrk and postgresql). Every query is another one, so that no answer is remembered. Encoding and
searching share the cores, so together they allow 1 / (1 / encoding + 1 / database) searches a second. Short measurements
take turns, the database's before and after each of the service's, and a share is taken of what was allowed at that moment:
a machine's speed changes within seconds where others use it, too. Figures are medians of the rounds.
"""
import argparse
import itertools
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from urllib.parse import quote

FIRST = 'red green blue small old happy sad flying round wooden cold sweet striped angry sleeping'.split()
SECOND = 'fruit face dog car hat house flower bird ball fish heart star boat tree cup king moon tool shoe book'.split()
WRK = """
local queries, at = {{}}, {first}
for line in io.lines('{file}') do queries[#queries + 1] = line end
function request()
  at = at % #queries + 1
  return wrk.format('GET', '{path}&text=' .. queries[at])
end
"""
PARTS = """
local threads = {{}}
function setup(thread) threads[#threads + 1] = thread end
parts = {{}}
function response(status, headers, body)
  local encode, search = body:match('"took_ms":{{"encode":([%d.]+),"search":([%d.]+)')
  if encode then parts[#parts + 1] = encode + search end
end
function done()
  local all = threads[1]:get('parts')
  table.sort(all)
  print('encoding and search: ' .. all[math.ceil(#all / 2)])
end
"""
TABLE = 'public.pgmmr_load_queries'


def queries():
    all_of_them = [f'{a} {b} and {c} {d}' for a, b, c, d in itertools.product(FIRST, SECOND, FIRST, SECOND)]
    random.Random(7).shuffle(all_of_them)
    return all_of_them


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout


class Database:
    """Searches by vectors that were encoded before, through pgbench."""

    def __init__(self, program, collection, model, texts, mode):
        self.program, self.url = program, run(program, 'db', 'url').strip()
        vectors = json.loads(run(program, 'embed', 'text', '--file', '-', '--model', model, input='\n'.join(texts)))
        self.sql(f'DROP TABLE IF EXISTS {TABLE}; CREATE UNLOGGED TABLE {TABLE} '
                 '(id int PRIMARY KEY, words text, embedding halfvec)')
        rows = '\n'.join(f'{i}\t{text}\t{vector}' for i, (text, vector)
                         in enumerate(zip(texts, map(json.dumps, vectors['embeddings'])), 1))
        run(program, 'db', 'psql', '-q', '-c', f'COPY {TABLE} FROM STDIN', input=rows + '\n')
        self.script = tempfile.NamedTemporaryFile('w', suffix='.sql')
        words = 'NULL' if mode == 'vector' else 'q.words'
        self.script.write(f'\\set i random(1, {len(texts)})\n'
                          f"SELECT s.* FROM {TABLE} q, pgmmr.search('{collection}', query_text => {words}, "
                          f"query_embedding => q.embedding, mode => '{mode}') s WHERE q.id = :i;\n")
        self.script.flush()

    def sql(self, statement):
        run(self.program, 'db', 'psql', '-q', '-c', statement)

    def rate(self, seconds):
        bins = sorted(os.listdir('/usr/lib/postgresql'), key=int)
        out = run(f'/usr/lib/postgresql/{bins[-1]}/bin/pgbench', '-n', '-M', 'prepared', '-c', '4', '-j', '2',
                  '-T', str(seconds), '-f', self.script.name, self.url)
        return float(re.search(r'tps = ([\d.]+)', out).group(1))

    def close(self):
        self.sql(f'DROP TABLE {TABLE}')


def encoding_rate(program, model, texts):
    def spent(some):
        start = time.perf_counter()
        run(program, 'embed', 'text', '--file', '-', '--model', model, '-o', '/dev/null', '--format', 'npy',
            input='\n'.join(some))
        return time.perf_counter() - start

    return (len(texts) - 1) / max(1e-3, spent(texts) - spent(texts[:1]))


class Service:
    def __init__(self, program):
        self.process = subprocess.Popen([program, 'serve', '--quiet', '--listen', '127.0.0.1:0'],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.host, port = re.match(r'http://([^:]+):(\d+)/', self.process.stdout.readline()).groups()
        self.port = int(port)

    def wrk(self, clients, seconds, path, file, first, parts=False):
        """parts: with the median of encoding and search, ms, as the answers say."""
        with tempfile.NamedTemporaryFile('w', suffix='.lua') as script:
            script.write((WRK + (PARTS if parts else '')).format(file=file, path=path, first=first))
            script.flush()
            out = run('wrk', '-t', '1', '-c', str(clients), '-d', f'{seconds}s', '--latency', '--timeout', '30s',
                      '-s', script.name, f'http://{self.host}:{self.port}')
        found = {name: float(value) * {'us': 1e-3, 'ms': 1, 's': 1e3}[unit]
                 for name, value, unit in re.findall(r'(50|99)%\s+([\d.]+)(us|ms|s)\b', out)}
        refused = re.search(r'Non-2xx or 3xx responses: (\d+)', out)
        count = int(re.search(r'(\d+) requests in', out).group(1))
        inside = re.search(r'encoding and search: ([\d.]+)', out)
        return {'rate': float(re.search(r'Requests/sec:\s+([\d.]+)', out).group(1)), 'p50': found['50'],
                'p99': found['99'], 'count': count, 'refused': int(refused.group(1)) if refused else 0,
                'inside': float(inside.group(1)) if inside else None}

    def memory_mb(self):
        with open(f'/proc/{self.process.pid}/status') as file:
            return next(int(line.split()[1]) for line in file if line.startswith('VmRSS')) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait()


class SlowClients:
    """Connections that say nothing, or a letter of a request each second."""

    def __init__(self, service, count):
        self.sockets = [socket.create_connection((service.host, service.port)) for _ in range(count)]
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.talk)
        self.thread.start()

    def talk(self):
        request = 'GET /api/v1/search?text=' + 'a' * 4000
        for letter in request:
            for one in self.sockets[::2]:
                try:
                    one.send(letter.encode())
                except OSError:
                    pass  # turned away, as slow ones may be
            if self.ended.wait(1):
                return

    def stop(self):
        self.ended.set()
        self.thread.join()
        for one in self.sockets:
            one.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('-c', '--collection', default='demo')
    parser.add_argument('--model', default='demo', help="the collection's")
    parser.add_argument('--mode', default='vector', choices=['vector', 'hybrid'])
    parser.add_argument('--seconds', type=int, default=3, help='of one measurement')
    parser.add_argument('--rounds', type=int, default=8)
    parser.add_argument('--requests', type=int, default=0, help='then so many more, to see whether memory grows')
    parser.add_argument('--slow', type=int, default=300, help='idle and slow clients in the last measurement')
    parser.add_argument('--program', default='build/release/pgmmr')
    a = parser.parse_args()
    texts = queries()
    path = f'/api/v1/search?collection={a.collection}&mode={a.mode}&k=10'
    database = Database(a.program, a.collection, a.model, texts[:1000], a.mode)
    service = Service(a.program)
    file = tempfile.NamedTemporaryFile('w', suffix='.txt')
    file.write('\n'.join(map(quote, texts)))
    file.flush()
    seen, first = {}, itertools.count(0, 9973)
    note = lambda name, value: seen.setdefault(name, []).append(value)
    try:
        service.wrk(8, 2, path, file.name, next(first))
        for _ in range(a.rounds):
            encoding = encoding_rate(a.program, a.model, texts[:8000])
            before = database.rate(a.seconds)
            note('encoding', encoding)
            for clients in (8, 64):
                figures = service.wrk(clients, a.seconds, path, file.name, next(first))
                after = database.rate(a.seconds)
                figures['share'] = figures['rate'] * (1 / encoding + 2 / (before + after))
                note(clients, figures)
                note('database', after)
                before = after
            note('one', service.wrk(1, a.seconds, path, file.name, next(first), parts=True))
            crowd = SlowClients(service, a.slow)
            note('crowded', service.wrk(8, a.seconds, path, file.name, next(first)))
            crowd.stop()
        before, sent = service.memory_mb(), 0
        while sent < a.requests:
            sent += service.wrk(8, a.seconds, path, file.name, next(first))['count']
        after = service.memory_mb()
    finally:
        ended = service.stop()
        database.close()
    middle = lambda name, part=None: statistics.median(v[part] if part else v for v in seen[name])
    allowed = 1 / (1 / middle('database') + 1 / middle('encoding'))
    print(f'{a.collection}, {a.mode}: database alone {middle("database"):.0f}/s, encoding alone '
          f'{middle("encoding"):.0f}/s, both together allow {allowed:.0f}/s')
    for clients in (8, 64):
        refused = sum(one['refused'] for one in seen[clients])
        print(f'{clients} clients: {middle(clients, "rate"):.0f}/s, {100 * middle(clients, "share"):.0f} % of what was allowed '
              f'at the time; p50 {middle(clients, "p50"):.1f} ms, p99 {middle(clients, "p99"):.1f} ms, refused {refused}')
    p50, inside = middle('one', 'p50'), middle('one', 'inside')
    print(f'one client: p50 {p50:.2f} ms, of which encoding and search {inside:.2f} ms')
    print(f'8 clients beside {a.slow} idle and slow ones: {middle("crowded", "rate"):.0f}/s, p99 '
          f'{middle("crowded", "p99"):.1f} ms, {middle("crowded", "p99") / middle(8, "p99"):.2f} times that without them')
    if a.requests:
        print(f'memory: {before:.0f} MB, after {sent} more requests {after:.0f} MB')
    print(f'on SIGTERM: exit code {ended}')


if __name__ == '__main__':
    sys.exit(main())
