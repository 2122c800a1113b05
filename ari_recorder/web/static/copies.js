// What will be silent in a copy, chosen where it is heard: as lines, seen and heard in the player, sent to the page of the
// package in another tab (package.js). Nothing is kept.
"use strict";

(() => {
  const panel = document.getElementById("copy");
  const player = document.getElementById("player");
  if (!panel || !player) return;
  const words = panel.dataset;
  const field = panel.querySelector("textarea");
  const problem = panel.querySelector("[data-problem]");
  const sent = panel.querySelector("[data-sent]");
  const hush = panel.querySelector("[data-do=hush]");
  const ANSWERED_WITHIN = 500; // ms; another tab of this browser answers at once
  const MS = 1000;
  let loop = { from: null, to: null };

  // As domain/muting.py reads them.
  const TIME = /^(?:(?:(\d{1,2}):)?(\d{1,3}):)?(\d{1,5}(?:[.,]\d{1,6})?)$/;
  const seconds = (text) => {
    const found = TIME.exec(text);
    if (!found) return NaN;
    const [hours, minutes] = [Number(found[1] ?? 0), Number(found[2] ?? 0)];
    return hours * 3600 + minutes * 60 + Number(found[3].replace(",", "."));
  };
  const typed = (at) => {
    const thousandths = Math.round(at * MS);
    const [minutes, rest] = [Math.floor(thousandths / (60 * MS)), thousandths % (60 * MS)];
    return `${minutes}:${String(Math.floor(rest / MS)).padStart(2, "0")}.${String(rest % MS).padStart(3, "0")}`;
  };
  const lines = () => field.value.split("\n").map((line) => line.trim());
  const part = (line) => {
    const [from, to, ...why] = line.split(/\s+/);
    return { from: seconds(from), to: seconds(to ?? ""), why: why.join(" ") };
  };
  const within = ({ from, to }) => from < to && to <= Number(player.dataset.seconds);
  const preview = () => {
    const parts = hush.checked ? lines().filter(Boolean).map(part).filter(within) : [];
    player.dispatchEvent(new CustomEvent("hush", { detail: parts.map(({ from, to }) => [from, to]) }));
  };
  const complain = (text) => {
    problem.textContent = text;
    problem.hidden = !text;
    field.toggleAttribute("aria-invalid", Boolean(text));
  };
  /** The number of the first line that is no part, 0 when each is one. */
  const wrong = () => lines().findIndex((line) => line && !(within(part(line)) && part(line).why)) + 1;

  // --- to and from the page of the package

  const channel = new BroadcastChannel("package");
  const about = { recording: words.recording, case: words.case };
  let waiting = null;
  channel.addEventListener("message", ({ data }) => {
    if (!data.taken || data.recording !== words.recording) return;
    if (waiting !== null) {
      clearTimeout(waiting);
      waiting = null;
      sent.textContent = words.taken;
    } else if (!field.value && data.lines.length) {
      field.value = `${data.lines.join("\n")}\n`;
      preview();
    }
  });
  const send = () => {
    const line = wrong();
    sent.textContent = "";
    complain(line ? words.wrong.replace("{line}", line) : "");
    if (line) { field.focus(); return; }
    clearTimeout(waiting);
    waiting = setTimeout(() => { waiting = null; sent.textContent = words.untaken; }, ANSWERED_WITHIN);
    channel.postMessage({ ...about, lines: lines().filter(Boolean) });
  };

  // --- hands

  player.addEventListener("loop", (event) => { loop = event.detail; });
  panel.querySelector("[data-do=part]").addEventListener("click", () => {
    if (loop.from === null || loop.to === null) { sent.textContent = words.noloop; return; }
    sent.textContent = "";
    const before = field.value.trimEnd();
    // A part covers all that was heard in the loop: never less than it.
    const [from, to] = [Math.floor(loop.from * MS) / MS, Math.min(Math.ceil(loop.to * MS) / MS, Number(player.dataset.seconds))];
    field.value = `${before}${before ? "\n" : ""}${typed(from)} ${typed(to)} `;
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
    preview();
  });
  panel.querySelector("[data-do=send]").addEventListener("click", send);
  hush.addEventListener("change", preview);
  field.addEventListener("input", () => { complain(""); preview(); });
  panel.hidden = false;
  preview();
  channel.postMessage({ ...about, asks: true });
})();
