// The player over a plain <audio>: waveform, keys, speed, sides, silence, loop, marks. Without this file the <audio> works.
// It never begins by itself, and keeps nothing of what was heard.
"use strict";

(() => {
  const player = document.getElementById("player");
  if (!player) return;
  const audio = player.querySelector("audio");
  const made = player.querySelector(".made");
  const wave = player.querySelector(".wave");
  const canvas = player.querySelector("canvas");
  const clock = player.querySelector("[data-clock]");
  const told = player.querySelector("[data-told]");
  const words = player.dataset;
  const control = (name) => player.querySelector(`[data-do="${name}"]`);
  const marks = [...player.querySelectorAll(".marks li")].map((item) => ({
    item,
    at: Number(item.dataset.at),
    until: item.dataset.until === undefined ? null : Number(item.dataset.until),
    kind: item.dataset.kind,
  }));
  const STEP = 0.05; // seconds of one peak
  const QUIET = 6; // of 255: below it nobody speaks
  const SILENCE = 1.5; // seconds that are worth skipping
  let peaks = null;
  let silences = [];
  let loop = { from: null, to: null };
  let sides = null;

  const length = () => (Number.isFinite(audio.duration) && audio.duration > 0 ? audio.duration : Number(words.seconds));
  const spoken = (seconds) => {
    const whole = Math.floor(seconds);
    const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    const two = (number) => String(number).padStart(2, "0");
    return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  };
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const tell = (text) => { told.textContent = text; };

  // --- going there

  const seek = (seconds) => {
    audio.currentTime = Math.min(Math.max(seconds, 0), Math.max(length() - 0.05, 0));
    show();
  };
  const toggle = () => {
    if (!audio.paused) { audio.pause(); return; }
    if (sides) sides.context.resume();
    audio.play().catch(() => tell(words.failed));
  };
  const near = (way) => {
    const now = audio.currentTime;
    const found = way > 0 ? marks.find((one) => one.at > now + 0.3) : marks.filter((one) => one.at < now - 1).pop();
    if (found) seek(found.at);
  };
  const setLoop = (from, to) => {
    loop = { from, to };
    if (from !== null && to !== null && to > from) tell(fill(words.looped, { begin: spoken(from), end: spoken(to) }));
    else if (from === null && to === null) tell(words.unlooped);
    draw();
  };

  // --- both sides, or one of them: the caller is left, the agent right

  const hear = (which) => {
    if (which === "both" && !sides) return;
    if (!sides) {
      const context = new AudioContext();
      const source = context.createMediaElementSource(audio);
      const splitter = context.createChannelSplitter(2);
      const merger = context.createChannelMerger(2);
      source.connect(splitter);
      merger.connect(context.destination);
      sides = { context, splitter, merger };
    }
    const { context, splitter, merger } = sides;
    splitter.disconnect();
    const ways = { both: [[0, 0], [1, 1]], left: [[0, 0], [0, 1]], right: [[1, 0], [1, 1]] }[which];
    for (const [from, to] of ways) splitter.connect(merger, from, to);
    if (!audio.paused) context.resume();
  };

  // --- what is seen and read out

  const show = () => {
    const [at, of] = [audio.currentTime, length()];
    const text = fill(words.of, { at: spoken(at), length: spoken(of) });
    clock.textContent = text;
    wave.setAttribute("aria-valuemax", String(Math.floor(of)));
    wave.setAttribute("aria-valuenow", String(Math.floor(at)));
    if (wave.getAttribute("aria-valuetext") !== text) wave.setAttribute("aria-valuetext", text);
    draw();
  };

  const draw = () => {
    const width = Math.max(wave.clientWidth, 50);
    const scale = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    const height = canvas.height;
    const pen = canvas.getContext("2d");
    const style = getComputedStyle(player);
    const colour = (name) => style.getPropertyValue(name).trim();
    const of = length() || 1;
    const x = (seconds) => (seconds / of) * canvas.width;
    const half = height / 2;
    pen.clearRect(0, 0, canvas.width, height);
    for (const one of marks) {
      if (one.until === null) continue;
      pen.fillStyle = colour("--care-soft");
      pen.fillRect(x(one.at), 0, Math.max(x(one.until) - x(one.at), 1), height);
    }
    if (loop.from !== null) {
      pen.fillStyle = colour("--accent-soft");
      pen.fillRect(x(loop.from), 0, x(loop.to ?? of) - x(loop.from), height);
    }
    if (peaks) {
      const columns = canvas.width;
      const count = peaks.length / 2;
      for (let column = 0; column < columns; column += 1) {
        const first = Math.floor((column * count) / columns);
        const last = Math.max(first + 1, Math.floor(((column + 1) * count) / columns));
        let [caller, agent] = [0, 0];
        for (let i = first; i < last && i < count; i += 1) {
          caller = Math.max(caller, peaks[2 * i]);
          agent = Math.max(agent, peaks[2 * i + 1]);
        }
        // Speech is quiet: the root shows it, and what is loud stays inside.
        const up = Math.sqrt(caller / 255) * (half - 2);
        const down = Math.sqrt(agent / 255) * (half - 2);
        pen.fillStyle = colour("--accent");
        pen.fillRect(column, half - up, 1, up);
        pen.fillStyle = colour("--good");
        pen.fillRect(column, half, 1, down);
      }
    }
    for (const one of marks) {
      pen.fillStyle = colour(one.kind === "threat" ? "--bad" : "--care");
      pen.fillRect(x(one.at) - scale, 0, 2 * scale, height);
    }
    pen.fillStyle = colour("--focus");
    pen.fillRect(x(audio.currentTime) - scale, 0, 2 * scale, height);
  };

  const findSilences = () => {
    silences = [];
    let began = null;
    for (let i = 0; i <= peaks.length / 2; i += 1) {
      const quiet = i < peaks.length / 2 && peaks[2 * i] < QUIET && peaks[2 * i + 1] < QUIET;
      if (quiet && began === null) began = i * STEP;
      if (!quiet && began !== null) {
        if (i * STEP - began >= SILENCE) silences.push([began + 0.3, i * STEP - 0.3]);
        began = null;
      }
    }
  };

  const step = () => {
    if (!audio.paused) {
      const now = audio.currentTime;
      const { from, to } = loop;
      if (from !== null && to !== null && to > from && (now >= to || now < from - 0.5)) audio.currentTime = from;
      if (control("skip").checked) {
        const quiet = silences.find(([begin, end]) => now >= begin && now < end - 0.1);
        if (quiet) audio.currentTime = quiet[1];
      }
    }
    show();
  };

  // --- hands

  const acts = {
    play: toggle,
    back: () => seek(audio.currentTime - 10),
    on: () => seek(audio.currentTime + 10),
    from: () => setLoop(audio.currentTime, loop.to !== null && loop.to > audio.currentTime ? loop.to : null),
    to: () => setLoop(loop.from ?? 0, audio.currentTime),
    unloop: () => setLoop(null, null),
  };
  for (const [name, act] of Object.entries(acts)) control(name).addEventListener("click", act);
  control("speed").addEventListener("change", (event) => { audio.playbackRate = Number(event.target.value); });
  control("side").addEventListener("change", (event) => hear(event.target.value));

  const keys = {
    j: acts.back, l: acts.on, k: toggle,
    ",": () => near(-1), ".": () => near(1),
    "[": acts.from, "]": acts.to,
  };
  const onSlider = {
    ArrowLeft: () => seek(audio.currentTime - 5), ArrowDown: () => seek(audio.currentTime - 5),
    ArrowRight: () => seek(audio.currentTime + 5), ArrowUp: () => seek(audio.currentTime + 5),
    PageDown: () => seek(audio.currentTime - 30), PageUp: () => seek(audio.currentTime + 30),
    Home: () => seek(0), End: () => seek(length()), " ": toggle, Enter: toggle, Backspace: acts.unloop,
  };
  player.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const target = event.target;
    const slider = target === wave;
    // A letter chooses in a list; what belongs to a control of its own stays there.
    if (target === audio || (target.matches("select, input") && !/^[\[\],.]$/.test(event.key))) return;
    let act = keys[event.key.toLowerCase()] ?? (slider ? onSlider[event.key] : undefined);
    if (!act && slider && /^[0-9]$/.test(event.key)) act = () => seek((length() * Number(event.key)) / 10);
    if (!act) return;
    event.preventDefault();
    act();
  });
  const toPlace = (event) => {
    const box = wave.getBoundingClientRect();
    seek(((event.clientX - box.left) / box.width) * length());
  };
  wave.addEventListener("pointerdown", (event) => {
    wave.setPointerCapture(event.pointerId);
    toPlace(event);
  });
  wave.addEventListener("pointermove", (event) => { if (event.buttons & 1) toPlace(event); });

  for (const one of marks) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.append(...one.item.childNodes);
    button.addEventListener("click", () => seek(one.at));
    one.item.append(button);
  }

  // --- the audio

  for (const name of ["play", "pause", "ended"]) {
    audio.addEventListener(name, () => {
      control("play").textContent = audio.paused ? words.play : words.pause;
      show();
    });
  }
  for (const name of ["timeupdate", "seeked", "loadedmetadata", "durationchange"]) audio.addEventListener(name, step);
  // A connection that was given up while nobody listened is taken up again where it was; a refusal is told.
  let tries = 0;
  audio.addEventListener("playing", () => { tries = 0; });
  audio.addEventListener("error", () => {
    if (tries >= 1) { tell(words.failed); return; }
    tries += 1;
    const [at, rate] = [audio.currentTime, audio.playbackRate];
    audio.addEventListener("loadedmetadata", () => { audio.currentTime = at; audio.playbackRate = rate; }, { once: true });
    audio.load();
  });
  window.addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  made.hidden = false;
  audio.controls = false;
  show();
  fetch(words.peaks, { credentials: "same-origin" })
    .then((answer) => (answer.ok ? answer.arrayBuffer() : Promise.reject(new Error(String(answer.status)))))
    .then((bytes) => { peaks = new Uint8Array(bytes); findSilences(); draw(); })
    .catch(() => { control("skip").disabled = true; });
})();
