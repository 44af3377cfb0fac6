/** Collects what arrives and gives it on together: a hundred changes a second are five renders. */
export class Batch<T> {
  private waiting = new Map<string, T>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly give: (items: T[]) => void;
  private readonly everyMs: number;

  constructor(give: (items: T[]) => void, everyMs = 200) {
    this.give = give;
    this.everyMs = everyMs;
  }

  /** The latest of each key is what counts. */
  add(key: string, item: T): void {
    this.waiting.delete(key);
    this.waiting.set(key, item);
    this.timer ??= setTimeout(() => this.flush(), this.everyMs);
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const items = [...this.waiting.values()];
    this.waiting.clear();
    if (items.length) this.give(items);
  }
}
