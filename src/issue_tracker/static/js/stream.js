// The event stream. It is read with fetch and not with EventSource, so that it can start at the event that the page was
// rendered with. It resumes after an interruption and ends with the session.

/** Milliseconds without data after which the connection counts as broken. The server sends a comment every 15 s. */
const SILENCE = 18_000;
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 30_000;

/** Milliseconds after which events that arrive all at once let the browser handle input and draw. */
const BUSY = 50;

/** @typedef {"live" | "broken" | "signed-out"} State */

export class Stream {
  /**
   * @param {string} lastId the id of the last event that the page already includes
   * @param {{ onEvent: (event: any) => void, onState: (state: State) => void }} handlers
   */
  constructor(lastId, { onEvent, onState }) {
    this.lastId = lastId;
    this.onEvent = onEvent;
    this.onState = onState;
    this.wait = FIRST_WAIT;
    /** @type {AbortController | null} */
    this.connection = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.retry = undefined;
  }

  start() {
    if (!this.connection) this.#connect();
  }

  /** Reconnects, because the network may be down: until the server responds, the connection counts as broken. */
  restart() {
    if (!this.connection) return;
    this.stop();
    this.onState("broken");
    this.#connect();
  }

  stop() {
    clearTimeout(this.retry);
    this.connection?.abort();
    this.connection = null;
  }

  async #connect() {
    const connection = new AbortController();
    this.connection = connection;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let silence;
    // A connection that died while the computer slept may be used again, and never responds.
    const waitForData = () => {
      clearTimeout(silence);
      silence = setTimeout(() => connection.abort(), SILENCE);
    };
    waitForData();
    try {
      const response = await fetch("/api/events/stream", {
        headers: { Accept: "text/event-stream", "Last-Event-ID": this.lastId },
        signal: connection.signal,
        cache: "no-store",
      });
      if (response.status === 401) return this.onState("signed-out");
      if (!response.ok || !response.body) throw new Error(String(response.status));
      this.onState("live");
      this.wait = FIRST_WAIT;
      await this.#read(response.body.getReader(), waitForData);
    } catch {
      // All kinds of interruption are handled in the same way, below.
    }
    clearTimeout(silence);
    if (connection.signal.aborted && this.connection !== connection) return;
    this.onState("broken");
    // After a random delay, so that the tabs of a whole helpdesk do not reconnect at the same time.
    this.retry = setTimeout(() => this.#connect(), this.wait * (0.75 + Math.random() / 2));
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
  }

  /**
   * @param {ReadableStreamDefaultReader<Uint8Array>} reader
   * @param {() => void} waitForData is called before each wait
   */
  async #read(reader, waitForData) {
    const decoder = new TextDecoder();
    let text = "";
    let began = performance.now();
    for (;;) {
      if (performance.now() - began > BUSY) {
        await nextTask();
        began = performance.now();
      }
      waitForData();
      const { done, value } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true });
      const blocks = text.split(/\r?\n\r?\n/);
      text = blocks.pop() ?? "";
      for (const block of blocks) this.#dispatch(block);
    }
  }

  /** @param {string} block the lines of one event */
  #dispatch(block) {
    let data = "";
    for (const line of block.split(/\r?\n/)) {
      if (line.startsWith("id:")) this.lastId = line.slice(3).trim();
      else if (line.startsWith("data:")) data += line.slice(5).trim();
    }
    if (data) this.onEvent(JSON.parse(data));
  }
}

/** Resolves in a task of its own. Unlike a timer, this is not throttled while the tab is in the background. */
const nextTask = () =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = resolve;
    port2.postMessage(null);
  });
