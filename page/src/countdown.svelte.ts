// Seconds until something is tried again, one at a time, so that they can be shown.
export class Countdown {
  left = $state(0); // 0: nothing is waited for
  #timer: ReturnType<typeof setInterval> | undefined;

  start(seconds: number, then: () => void): void {
    this.stop();
    this.left = seconds;
    this.#timer = setInterval(() => {
      this.left -= 1;
      if (this.left > 0) return;
      this.stop();
      then();
    }, 1000);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.left = 0;
  }
}
