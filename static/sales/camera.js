// Reading barcodes with the camera, in a view of its own: [data-camera] with its video, [data-camera-text] and states in
// data-camera: asking, reading, refused, missing, unavailable. The camera runs only while the view is open and looked at.
// Needs BarcodeDetector (Chrome on Android, newer Safari) and a page over https; elsewhere the view says what to do instead.

const LOOK_EVERY_MS = 150;
const SAME_CODE_MS = 2_500; // the label is still before the camera after it was read
const FORMATS = ["code_128", "code_39", "ean_13", "ean_8", "upc_a", "qr_code"];

const WORDS = {
  asking: "Menunggu izin kamera. Jawab pertanyaan peramban di atas.",
  reading: "Arahkan kamera ke kode batang di gagang atau kotak.",
  refused: "Kamera tidak diizinkan. Izinkan lewat ikon gembok di baris alamat, lalu coba lagi. Kode juga bisa diketik.",
  missing: "Kamera tidak ditemukan atau sedang dipakai aplikasi lain. Kode juga bisa diketik.",
  unavailable: "Peramban ini belum bisa membaca kode dengan kamera. Pakai pemindai, atau ketik kodenya.",
};

export class Camera {
  #stream = null;
  #timer = 0;
  #opening = 0; // counts openings: an answer to an earlier one is for nobody
  #last = { code: "", at: 0 };

  /** onCode(code): one was read. `opener` is the button that shows and hides the view. */
  constructor(view, opener, onCode) {
    this.view = view;
    this.opener = opener;
    this.onCode = onCode;
    this.video = view.querySelector("video");
    opener.addEventListener("click", () => (view.hidden ? this.open() : this.close()));
    view.querySelector("[data-camera-close]").addEventListener("click", () => {
      this.close();
      opener.focus();
    });
    view.querySelector("[data-camera-again]").addEventListener("click", () => this.open());
    view.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.close();
      opener.focus();
    });
    // Not before anybody's eyes, not running.
    document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && this.close());
    addEventListener("pagehide", () => this.close());
  }

  async open() {
    this.close();
    this.view.hidden = false;
    this.opener.setAttribute("aria-expanded", "true");
    const opening = ++this.#opening;
    const isMine = () => opening === this.#opening && !this.view.hidden;
    if (!navigator.mediaDevices?.getUserMedia || !("BarcodeDetector" in window)) {
      this.#say("unavailable");
      return;
    }
    this.#say("asking");
    try {
      const detector = await makeDetector();
      const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
      if (!isMine()) {
        stop(stream);
        return;
      }
      this.#stream = stream;
      // unplugged, or taken back in the browser's bar
      stream.getVideoTracks()[0]?.addEventListener("ended", () => isMine() && this.#lost("missing"));
      this.video.srcObject = stream;
      await this.video.play();
      if (!isMine()) return;
      this.#say("reading");
      this.#look(detector, isMine);
    } catch (error) {
      if (isMine()) this.#lost(error.name === "NotAllowedError" ? "refused" : "missing");
    }
  }

  close() {
    this.#opening += 1;
    this.#release();
    this.view.hidden = true;
    this.opener.setAttribute("aria-expanded", "false");
  }

  #lost(why) {
    this.#release();
    this.#say(why);
  }

  #release() {
    clearTimeout(this.#timer);
    stop(this.#stream);
    this.#stream = null;
    this.video.srcObject = null;
  }

  #look(detector, isMine) {
    this.#timer = setTimeout(async () => {
      const found = await detector.detect(this.video).catch(() => []);
      if (!isMine() || !this.#stream) return;
      const code = found[0]?.rawValue?.trim();
      if (code) this.#read(code);
      this.#look(detector, isMine);
    }, LOOK_EVERY_MS);
  }

  #read(code) {
    const now = Date.now();
    const isSame = code === this.#last.code && now - this.#last.at < SAME_CODE_MS;
    this.#last = { code, at: now };
    if (isSame) return;
    navigator.vibrate?.(60); // the eyes are on the label
    this.#say("reading", `Terbaca: ${code}`);
    this.onCode(code);
  }

  #say(state, words = WORDS[state]) {
    this.view.dataset.camera = state;
    this.view.querySelector("[data-camera-text]").textContent = words;
    this.video.hidden = state !== "reading";
    this.view.querySelector("[data-camera-again]").hidden = !["refused", "missing"].includes(state);
  }
}

const stop = (stream) => stream?.getTracks().forEach((track) => track.stop());

async function makeDetector() {
  const known = (await BarcodeDetector.getSupportedFormats?.()) ?? [];
  const formats = FORMATS.filter((format) => known.includes(format));
  return new BarcodeDetector(formats.length ? { formats } : undefined);
}
