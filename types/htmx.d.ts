// What the pages use of htmx 4 (static/vendor/htmx.min.js), which has no types of its own.

interface HtmxContext {
  /** The element that caused the request. */
  sourceElement: Element;
  target: Element | null;
  /** The selector of what the response is to contribute. */
  select: string;
  request: { body: FormData };
  response: { raw: Response; status: number };
  /** The body of the response. */
  text: string;
  /** The response's headers HX-*. */
  hx: { redirect?: string };
}

type HtmxEvent = CustomEvent<{ ctx: HtmxContext }>;

interface HtmxAjaxOptions {
  target: string;
  select: string;
  selectOOB?: string;
  swap: string;
}

interface Window {
  /** Missing until the deferred script has run. */
  htmx?: { ajax(method: string, path: string, options: HtmxAjaxOptions): Promise<void> };
}

interface DocumentEventMap {
  "htmx:before:request": HtmxEvent;
  "htmx:before:response": HtmxEvent;
  "htmx:after:request": HtmxEvent;
  "htmx:before:swap": HtmxEvent;
  "htmx:after:swap": HtmxEvent;
  "htmx:finally:request": HtmxEvent;
  "htmx:error": HtmxEvent;
}

interface HTMLElementEventMap {
  "htmx:config:request": HtmxEvent;
}
