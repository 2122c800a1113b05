// Takes what is silent in a copy from the player in another tab of this browser (copies.js). Without it, it is typed here.
"use strict";

(() => {
  const granted = document.getElementById("granted");
  const field = document.querySelector("textarea[name=mutes]");
  if (!granted || !field) return;
  const numbers = new Map([...granted.querySelectorAll("[data-recording]")].map((one, at) => [one.dataset.recording, at + 1]));
  const numberOf = (line) => Number(line.split(/\s+/)[0]);
  const channel = new BroadcastChannel("package");
  channel.addEventListener("message", ({ data }) => {
    const number = numbers.get(data.recording);
    if (data.taken || number === undefined || (data.case && data.case !== granted.dataset.case)) return;
    let all = field.value.split("\n").map((line) => line.trim()).filter(Boolean);
    if (data.lines) {
      all = [...all.filter((line) => numberOf(line) !== number), ...data.lines.map((line) => `${number} ${line}`)];
      all.sort((one, other) => numberOf(one) - numberOf(other)); // those of one recording stay in their order
      field.value = all.join("\n");
    }
    const own = all.filter((line) => numberOf(line) === number).map((line) => line.replace(/^\S+\s+/, ""));
    channel.postMessage({ taken: true, recording: data.recording, lines: own });
  });
})();
