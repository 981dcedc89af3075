// Whose sale it is: searched, or added on the spot without leaving the page.

import { clearRefusal, showRefusal } from "../forms/enhance.js";
import { addPatient, findPatients } from "./api.js";
import { debounced, Options } from "./options.js";

const PAUSE_MS = 150;
const initials = (name) => name.split(/\s+/).slice(0, 2).map((word) => word[0]?.toUpperCase() ?? "").join("");

export class PatientPicker {
  #found = [];
  #shown = "";     // what was searched for that is on screen
  #asking = null;  // {cari, done} of the search under way

  /** changed(patient); done(): the cashier has chosen, and goes on to the goods. */
  constructor(till, { changed, done }) {
    this.panel = till.querySelector("[data-patient]");
    this.changed = changed;
    this.done = done;
    this.patient = null;
    this.field = this.#part("#pasien");
    this.form = this.#part("[data-patient-form]");
    this.template = till.querySelector("[data-patient-template]");
    this.options = new Options(this.field, this.#part("#hasil-pasien"), { take: (row) => this.#take(row) });

    const search = debounced(PAUSE_MS, () => this.#search());
    this.field.addEventListener("input", search);
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.options.show([]);
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.#enter();
    });
    this.#part("[data-patient-change]").addEventListener("click", () => this.change());
    this.#part("[data-patient-new]").addEventListener("click", () => this.#openForm());
    this.#part("[data-patient-cancel]").addEventListener("click", () => this.#closeForm());
    this.form.elements.service_type.addEventListener("change", () => this.#writeBpjsField());
    this.form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.#closeForm();
      this.field.focus();
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#add();
    });
  }

  choose(patient) {
    this.patient = patient;
    this.#part("[data-patient-chosen]").hidden = !patient;
    this.#part("[data-patient-search]").hidden = Boolean(patient);
    this.#refuse("");
    this.#closeForm();
    if (patient) {
      this.#part("[data-patient-initials]").textContent = initials(patient.nama_pasien);
      this.#part("[data-patient-name]").textContent = patient.nama_pasien;
      this.#part("[data-patient-service]").textContent = patient.service_type;
      this.#part("[data-patient-bpjs]").textContent = patient.no_bpjs;
      this.#part("[data-patient-resep]").textContent = patient.resep || "Belum ada resep";
    }
    this.changed(patient);
  }

  /** F4, or "Ganti": search again, with the present patient kept until another is taken. */
  change() {
    this.#part("[data-patient-search]").hidden = false;
    this.field.focus();
    this.field.select();
  }

  /** F4 a second time, from the search: somebody who is here for the first time. */
  addNew() {
    this.change();
    if (this.form.hidden) this.#openForm();
    else this.form.elements.nama_pasien.focus();
  }

  /** The sale cannot go on without a patient; says so where one is chosen. */
  ask(message) {
    this.change();
    this.#refuse(message);
  }

  /** A hand is faster than a search: never the patient who stood first for what was typed before. */
  async #enter() {
    if (this.#shown !== this.field.value.trim()) await this.#search();
    if (this.#shown === this.field.value.trim() && this.options.chosen) this.#take(this.options.chosen);
  }

  #search() {
    const cari = this.field.value.trim();
    if (this.#asking?.cari !== cari) this.#asking = { cari, done: this.#ask(cari) };
    return this.#asking.done;
  }

  async #ask(cari) {
    const answer = await (cari ? findPatients(cari) : { pasien: [] });
    if (this.#asking?.cari === cari) this.#asking = null;
    if (this.field.value.trim() !== cari) return; // typed on, or taken, meanwhile
    if (answer.error) this.#refuse(answer.error.message);
    else this.#show(answer.pasien, cari);
  }

  #show(patients, cari) {
    this.#found = patients;
    this.#shown = cari;
    this.options.show(patients.map((patient, index) => {
      const row = this.template.content.firstElementChild.cloneNode(true);
      row.dataset.index = index;
      row.dataset.key = patient.id;
      row.querySelector(".name").textContent = patient.nama_pasien;
      row.querySelector("[data-patient-row-detail]").textContent = [patient.no_telepon, patient.no_bpjs].filter(Boolean).join(" · ");
      row.querySelector(".tagged").textContent = patient.service_type;
      return row;
    }));
    const none = this.#part("[data-patient-none]");
    none.hidden = patients.length > 0 || !cari;
    none.textContent = cari ? `Belum ada pasien “${cari}”. Tambahkan sebagai pasien baru.` : "";
  }

  #take(row) {
    const patient = this.#found[Number(row.dataset.index)];
    this.field.value = "";
    this.#show([], "");
    this.choose(patient);
    this.done();
  }

  #openForm() {
    if (!this.form.hidden) {
      this.#closeForm();
      return;
    }
    this.form.hidden = false;
    this.#part("[data-patient-new]").setAttribute("aria-expanded", "true");
    const typed = this.field.value.trim();
    const target = /^[\d\s+-]+$/.test(typed) ? "no_telepon" : "nama_pasien";
    if (typed && !this.form.elements[target].value) this.form.elements[target].value = typed;
    this.#writeBpjsField();
    this.form.elements.nama_pasien.focus();
  }

  #closeForm() {
    this.form.hidden = true;
    this.#part("[data-patient-new]").setAttribute("aria-expanded", "false");
  }

  #writeBpjsField() {
    this.form.querySelector("[data-bpjs-only]").hidden = this.form.elements.service_type.value === "UMUM";
  }

  async #add() {
    if (this.form.getAttribute("aria-busy") === "true") return;
    this.form.setAttribute("aria-busy", "true");
    clearRefusal(this.form);
    // Empty fields are left out; 2,25 is how a dioptre is written here.
    const filled = [...new FormData(this.form)].filter(([, value]) => value.trim());
    const answer = await addPatient(Object.fromEntries(filled.map(([name, value]) => [name, asWritten(name, value.trim())])));
    this.form.setAttribute("aria-busy", "false");
    if (answer.error) {
      // a field in a closed part cannot be shown, nor have the focus
      const inResep = Object.keys(answer.error.fields ?? {}).some((name) => this.#part("[data-resep]").querySelector(`[name="${CSS.escape(name)}"]`));
      if (inResep) this.#part("[data-resep]").open = true;
      showRefusal(this.form, answer.error);
      return;
    }
    this.form.reset();
    this.field.value = "";
    this.#show([], "");
    this.choose(answer.pasien);
    this.done();
  }

  #refuse(message) {
    const place = this.#part("[data-error-for=pasien_id]");
    place.textContent = message;
    place.hidden = !message;
  }

  #part(selector) {
    return this.panel.querySelector(selector);
  }
}

const asWritten = (name, value) => (/^(od|os)_|^pd$/.test(name) ? value.replace(",", ".").replace("−", "-") : value);
