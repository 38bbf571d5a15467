// Browsers start no worker for a page that was opened from a folder. There the search's worker runs in a hidden frame,
// which is given the same two doors: messages in, messages out. Served pages keep real workers.
if (location.protocol === "file:") {
  class IFrameWorker extends EventTarget {
    constructor(address) {
      super();
      this.onmessage = null;
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      const inside = frame.contentWindow;
      this.isReady = new Promise((resolve, reject) => {
        inside.postMessage = (data) => this.tell(data);
        const script = frame.contentDocument.createElement("script");
        script.src = new URL(address, location.href).href;
        script.onload = () => resolve(inside);
        script.onerror = () => reject(new Error(`Cannot load ${address}`));
        frame.contentDocument.body.append(script);
      });
      this.frame = frame;
    }

    tell(data) {
      const event = new MessageEvent("message", { data });
      this.dispatchEvent(event);
      if (this.onmessage) this.onmessage(event);
    }

    postMessage(data) {
      this.isReady.then((inside) => inside.dispatchEvent(new inside.MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  }
  window.IFrameWorker = window.Worker = IFrameWorker;
}
