/** A browser's EventSource, which jsdom lacks: a test tells what comes. */
export class Source {
  static all: Source[] = [];
  static CLOSED = 2;
  readyState = 1;
  onopen = () => undefined;
  onerror = () => undefined;
  heard: Record<string, (event: { data: string }) => void> = {};
  constructor(readonly url: string) {
    Source.all.push(this);
  }
  addEventListener(name: string, heard: (event: { data: string }) => void) {
    this.heard[name] = heard;
  }
  close() {
    this.readyState = 2;
  }
}
