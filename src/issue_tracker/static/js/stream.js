// The event stream, read with fetch: it starts where the page was drawn, resumes after a break, ends with the session.
const SILENCE = 45000;

export class Stream {
  constructor(lastId, { onEvent, onState }) {
    Object.assign(this, { lastId, onEvent, onState, wait: 1000, abort: null });
  }

  start() {
    if (!this.abort) this.run();
  }

  stop() {
    clearTimeout(this.retry);
    this.abort?.abort();
    this.abort = null;
  }

  async run() {
    const abort = new AbortController();
    this.abort = abort;
    try {
      const response = await fetch("/api/events/stream", {
        headers: { Accept: "text/event-stream", "Last-Event-ID": this.lastId },
        signal: abort.signal,
        cache: "no-store",
      });
      if (response.status === 401) return this.onState("signed-out");
      if (!response.ok) throw new Error(String(response.status));
      this.onState("live");
      this.wait = 1000;
      await this.read(response.body.getReader(), abort);
    } catch {
      // A break of any kind is answered in one way: say so, and try again.
    }
    if (abort.signal.aborted && this.abort !== abort) return;
    this.onState("broken");
    this.retry = setTimeout(() => this.run(), this.wait * (0.75 + Math.random() / 2));
    this.wait = Math.min(this.wait * 2, 30000);
  }

  async read(reader, abort) {
    const decoder = new TextDecoder();
    let text = "";
    let alarm = null;
    for (;;) {
      clearTimeout(alarm);
      alarm = setTimeout(() => abort.abort(), SILENCE);
      const { done, value } = await reader.read();
      if (done) return clearTimeout(alarm);
      text += decoder.decode(value, { stream: true });
      const blocks = text.split(/\r?\n\r?\n/);
      text = blocks.pop();
      blocks.forEach((block) => this.take(block));
    }
  }

  take(block) {
    let data = "";
    for (const line of block.split(/\r?\n/)) {
      if (line.startsWith("id:")) this.lastId = line.slice(3).trim();
      else if (line.startsWith("data:")) data += line.slice(5).trim();
    }
    if (data) this.onEvent(JSON.parse(data));
  }
}
