// The player over a plain <audio>: waveform, keys, speed, sides, silence, loop, marks. Without this file the <audio> works.
// It never begins by itself, and keeps nothing of what was heard: only how somebody likes to listen.
"use strict";

(() => {
  const player = document.getElementById("player");
  if (!player) return;
  const audio = player.querySelector("audio");
  const wave = player.querySelector(".wave");
  const canvas = player.querySelector("canvas");
  const told = player.querySelector("[data-told]");
  const failed = player.querySelector("[data-failed]");
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
  const BREATH = 0.3; // seconds of a silence that are left at both its ends
  const ASK_EVERY = 15000; // ms; rights that ended stop what is heard within a minute, and what a browser has got already, too
  const MOST_UNHEARD = 3; // times nobody answered: then nobody knows whether the rights are there still
  const READ_EVERY = 5; // seconds between the times that are read out while it plays
  const CLOSEST = 10; // seconds in the whole width: single words are seen
  const LIKED = "player"; // under which speed and silence are kept in this browser
  let peaks = null;
  let silences = [];
  let loop = { from: null, to: null };
  let sides = null;
  let hushed = []; // [from, to] of what is silent in a copy (copies.js)
  let over = false;
  let picture = null;
  let zoom = 1; // the waveform shows this part of the audio, beginning at
  let left = 0; // second

  const length = () => (Number.isFinite(audio.duration) && audio.duration > 0 ? audio.duration : Number(words.seconds));
  const parts = (seconds) => {
    const whole = Math.floor(seconds);
    return { hour: Math.floor(whole / 3600), minute: Math.floor(whole / 60) % 60, second: whole % 60 };
  };
  const clock = (seconds) => {
    const { hour, minute, second } = parts(seconds);
    const two = (number) => String(number).padStart(2, "0");
    return hour ? `${hour}:${two(minute)}:${two(second)}` : `${minute}:${two(second)}`;
  };
  const units = Object.fromEntries(["hour", "minute", "second"].map(
    (unit) => [unit, new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit, unitDisplay: "long" })],
  ));
  const spoken = (seconds) => {
    const all = Object.entries(parts(seconds));
    return all.filter(([unit, count]) => count || (unit === "second" && seconds < 60))
      .map(([unit, count]) => units[unit].format(count)).join(" ");
  };
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const tell = (text) => { told.textContent = text; };

  // --- going there

  const seek = (seconds) => {
    if (over) return;
    audio.currentTime = Math.min(Math.max(seconds, 0), Math.max(length() - 0.05, 0));
    show(true);
  };
  const toggle = () => {
    if (over) return;
    if (!audio.paused) { audio.pause(); return; }
    if (sides) sides.context.resume();
    audio.play().catch(() => {}); // an error of the audio is an event, too
  };
  const near = (way) => {
    const now = audio.currentTime;
    const found = way > 0 ? marks.find((one) => one.at > now + 0.3) : marks.filter((one) => one.at < now - 1).pop();
    if (found) seek(found.at);
  };
  const setLoop = (from, to) => {
    loop = { from, to };
    const unloop = control("unloop");
    if (from === null && document.activeElement === unloop) control("from").focus();
    unloop.hidden = from === null;
    if (from === null) tell(words.unlooped);
    else if (to === null) tell(fill(words.loopbegun, { begin: clock(from) }));
    else tell(fill(words.looped, { begin: clock(from), end: clock(to) }));
    player.dispatchEvent(new CustomEvent("loop", { detail: loop }));
    draw();
  };
  const faster = (way) => {
    const speed = control("speed");
    speed.selectedIndex = Math.min(Math.max(speed.selectedIndex + way, 0), speed.length - 1);
    setSpeed();
  };
  const setSpeed = () => {
    const speed = control("speed");
    audio.defaultPlaybackRate = Number(speed.value); // kept when the audio is loaded anew
    audio.playbackRate = Number(speed.value);
    keep();
  };
  /** For the next recording; a browser that keeps nothing is no reason to fail. */
  const keep = () => {
    try {
      localStorage.setItem(LIKED, JSON.stringify({ speed: control("speed").value, skip: control("skip").checked }));
    } catch { /* nothing is kept */ }
  };
  const likeBefore = () => {
    try {
      const liked = JSON.parse(localStorage.getItem(LIKED)) ?? {};
      const speed = control("speed");
      if ([...speed.options].some((option) => option.value === liked.speed)) speed.value = liked.speed;
      control("skip").checked = liked.skip === true;
    } catch { /* nothing was kept */ }
    setSpeed();
  };
  const copyLink = async () => {
    const address = `${location.origin}${words.link}?at=${Math.floor(audio.currentTime)}#listen`;
    try {
      await navigator.clipboard.writeText(address);
      tell(fill(words.copied, { at: clock(audio.currentTime) }));
    } catch {
      tell(address);
    }
  };

  // --- how much of it is seen

  const width = () => length() / zoom;
  /** Where one is stays in sight. */
  const turn = () => {
    const now = audio.currentTime;
    const first = Math.max(0, length() - width());
    const before = left;
    if (now < left || now > left + width()) left = now - width() / 10;
    left = Math.min(Math.max(left, 0), first);
    if (left !== before) picture = null;
  };
  const closer = (way) => {
    const next = way > 0 ? zoom * 2 : zoom / 2;
    if (next < 1 || length() / next < CLOSEST) return;
    zoom = next;
    left = audio.currentTime - width() / 2;
    picture = null;
    turn();
    const values = { begin: clock(left), end: clock(left + width()) };
    tell(zoom === 1 ? words.whole : fill(words.shown, values));
    showZoom();
    draw();
  };
  const showZoom = () => {
    // A button that has the focus keeps it: disabled ones lose it.
    control("closer").setAttribute("aria-disabled", String(length() / zoom / 2 < CLOSEST));
    control("wider").setAttribute("aria-disabled", String(zoom === 1));
  };

  // --- both sides, or one of them in both ears: the caller is left, the agent right

  const WAYS = {
    both: [[0, 0], [1, 1]],
    left: [[0, 0], [0, 1]],
    right: [[1, 0], [1, 1]],
  };
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
    for (const [from, to] of WAYS[which]) splitter.connect(merger, from, to);
    if (!audio.paused) context.resume();
  };

  // --- what is seen and read out

  let read = -1;
  const show = (moved = false) => {
    const [at, of] = [audio.currentTime, length()];
    player.querySelector("[data-clock]").textContent = fill(words.of, { at: clock(at), length: clock(of) });
    wave.setAttribute("aria-valuemax", String(Math.floor(of)));
    wave.setAttribute("aria-valuenow", String(Math.floor(at)));
    if (moved || audio.paused || Math.abs(at - read) >= READ_EVERY) {
      read = at;
      const text = fill(words.of, { at: spoken(at), length: spoken(of) });
      if (wave.getAttribute("aria-valuetext") !== text) wave.setAttribute("aria-valuetext", text);
    }
    const last = marks.filter((one) => one.at <= at + 0.3).pop();
    for (const one of marks) one.item.classList.toggle("passed", one === last);
    turn();
    draw();
  };

  // The waveform is drawn once for a size and a scheme of colours; what moves is drawn over it.
  const colours = () => {
    const style = getComputedStyle(player);
    return (name) => style.getPropertyValue(name).trim();
  };
  const paint = () => {
    const scale = window.devicePixelRatio || 1;
    const [wide, height] = [Math.round(Math.max(wave.clientWidth, 50) * scale), Math.round(canvas.clientHeight * scale)];
    picture = document.createElement("canvas");
    [canvas.width, canvas.height] = [picture.width, picture.height] = [wide, height];
    const colour = colours();
    const pen = picture.getContext("2d");
    const half = height / 2;
    pen.fillStyle = colour("--line");
    pen.fillRect(0, Math.round(half), wide, 1);
    if (!peaks) return;
    const count = peaks.length / 2;
    const [bar, gap] = [Math.round(2 * scale), Math.round(scale)];
    const peak = (x) => Math.floor((left + (x * width()) / wide) / STEP);
    // Speech is quiet: the root shows it, and what is loud stays inside.
    const high = (value) => Math.round(Math.sqrt(value / 255) * (half - 4 * scale));
    for (let x = 0; x < wide; x += bar + gap) {
      const first = peak(x);
      const last = Math.min(Math.max(first + 1, peak(x + bar + gap)), count);
      let [caller, agent, callers, agents] = [0, 0, 0, 0];
      for (let i = first; i < last; i += 1) {
        caller = Math.max(caller, peaks[2 * i]);
        agent = Math.max(agent, peaks[2 * i + 1]);
        callers += peaks[2 * i];
        agents += peaks[2 * i + 1];
      }
      // In a long call a bar is half a minute, and always loud somewhere: what it is on average shows who speaks.
      for (const [loudest, sum, up, name] of [[caller, callers, true, "--accent"], [agent, agents, false, "--good"]]) {
        pen.fillStyle = colour(name);
        for (const [value, alpha] of [[loudest, 0.35], [sum / Math.max(last - first, 1), 1]]) {
          pen.globalAlpha = alpha;
          pen.fillRect(x, up ? half - high(value) : half, bar, high(value));
        }
      }
      pen.globalAlpha = 1;
    }
  };
  const draw = () => {
    if (!picture) paint();
    const scale = window.devicePixelRatio || 1;
    const pen = canvas.getContext("2d");
    const colour = colours();
    const { width: wide, height } = canvas;
    const x = (seconds) => ((seconds - left) / (width() || 1)) * wide;
    const line = (seconds, name, thick) => {
      pen.fillStyle = colour(name);
      pen.fillRect(x(seconds) - (thick * scale) / 2, 0, thick * scale, height);
    };
    pen.clearRect(0, 0, wide, height);
    for (const one of marks.filter((mark) => mark.until !== null)) {
      pen.fillStyle = colour("--care-soft");
      pen.fillRect(x(one.at), 0, Math.max(x(one.until) - x(one.at), scale), height);
    }
    if (loop.from !== null) {
      pen.fillStyle = colour("--accent-soft");
      pen.fillRect(x(loop.from), 0, x(loop.to ?? length()) - x(loop.from), height);
    }
    // What was heard is strong, what comes is paler.
    const now = Math.min(x(audio.currentTime), wide);
    pen.globalAlpha = 0.6;
    pen.drawImage(picture, 0, 0);
    pen.globalAlpha = 1;
    if (now >= 1) pen.drawImage(picture, 0, 0, now, height, 0, 0, now, height);
    for (const one of marks) {
      const threat = one.kind === "threat";
      line(one.at, threat ? "--bad" : "--care", threat ? 2 : 1);
      // A flag for a flag, a knob for the others: told apart by their shapes.
      pen.beginPath();
      const [pole, size] = [x(one.at), 10 * scale];
      if (threat) {
        pen.moveTo(pole, 0);
        pen.lineTo(pole + size, size / 2);
        pen.lineTo(pole, size);
      } else {
        pen.arc(pole, size / 2, size / 2.5, 0, 2 * Math.PI);
      }
      pen.fill();
    }
    for (const [from, to] of hushed) {
      pen.globalAlpha = 0.85;
      pen.fillStyle = colour("--paper");
      pen.fillRect(x(from), 0, x(to) - x(from), height);
      pen.globalAlpha = 1;
      line(from, "--ink", 1);
      line(to, "--ink", 1);
    }
    line(audio.currentTime, "--focus", 2);
  };
  const repaint = () => { picture = null; draw(); };

  const findSilences = () => {
    silences = [];
    let began = null;
    for (let i = 0; i <= peaks.length / 2; i += 1) {
      const quiet = i < peaks.length / 2 && peaks[2 * i] < QUIET && peaks[2 * i + 1] < QUIET;
      if (quiet && began === null) began = i * STEP;
      if (!quiet && began !== null) {
        if (i * STEP - began >= SILENCE) silences.push([began + BREATH, i * STEP - BREATH]);
        began = null;
      }
    }
  };

  const hush = () => {
    audio.muted = hushed.some(([from, to]) => audio.currentTime >= from && audio.currentTime < to);
  };
  player.addEventListener("hush", (event) => {
    hushed = event.detail;
    hush();
    draw();
  });
  const step = () => {
    hush();
    if (!audio.paused && !audio.seeking) {
      const now = audio.currentTime;
      const { from, to } = loop;
      const looped = from !== null && to !== null;
      const quiet = control("skip").checked ? silences.find(([begin, end]) => now >= begin && now < end - 0.1) : null;
      if (looped && (now >= to || now < from - 0.5)) audio.currentTime = from;
      else if (quiet) audio.currentTime = looped && quiet[1] >= to ? from : quiet[1];
    }
    show();
  };
  const follow = () => {
    if (audio.paused) return;
    step();
    requestAnimationFrame(follow);
  };

  // --- hands

  const acts = {
    play: toggle,
    back: () => seek(audio.currentTime - 10),
    on: () => seek(audio.currentTime + 10),
    from: () => setLoop(audio.currentTime, loop.to !== null && loop.to > audio.currentTime ? loop.to : null),
    to: () => setLoop(loop.from !== null && loop.from < audio.currentTime ? loop.from : 0, audio.currentTime),
    unloop: () => setLoop(null, null),
    closer: () => closer(1),
    wider: () => closer(-1),
    link: copyLink,
  };
  for (const [name, act] of Object.entries(acts)) control(name).addEventListener("click", act);
  control("speed").addEventListener("change", setSpeed);
  control("skip").addEventListener("change", keep);
  control("side").addEventListener("change", (event) => hear(event.target.value));

  const keys = {
    j: acts.back, l: acts.on, k: toggle,
    ",": () => near(-1), ".": () => near(1),
    "<": () => faster(-1), ">": () => faster(1),
    "[": acts.from, "]": acts.to,
    "+": acts.closer, "-": acts.wider,
  };
  const onSlider = {
    ArrowLeft: () => seek(audio.currentTime - 5), ArrowDown: () => seek(audio.currentTime - 5),
    ArrowRight: () => seek(audio.currentTime + 5), ArrowUp: () => seek(audio.currentTime + 5),
    PageDown: () => seek(audio.currentTime - 30), PageUp: () => seek(audio.currentTime + 30),
    Home: () => seek(0), End: () => seek(length()), " ": toggle, Enter: toggle, Backspace: acts.unloop,
  };
  player.addEventListener("keydown", (event) => {
    // AltGr, with which [ and ] are typed here, says that Ctrl and Alt are pressed.
    const altGr = event.getModifierState("AltGraph");
    if (event.metaKey || ((event.ctrlKey || event.altKey) && !altGr)) return;
    const target = event.target;
    const slider = target === wave;
    // A click beside the controls leaves the player itself with the focus.
    const nowhere = target === player;
    // A letter chooses in a list; what belongs to a control of its own stays there.
    if (target === audio || (target.matches("select, input") && !/^[\[\],.<>+-]$/.test(event.key))) return;
    let act = keys[event.key.toLowerCase()] ?? (slider || nowhere ? onSlider[event.key] : undefined);
    if (!act && (slider || nowhere) && /^[0-9]$/.test(event.key)) act = () => seek((length() * Number(event.key)) / 10);
    if (!act) return;
    event.preventDefault();
    act();
  });
  const toPlace = (event) => {
    const box = wave.getBoundingClientRect();
    seek(left + ((event.clientX - box.left) / box.width) * width());
  };
  wave.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
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

  // --- the audio, as long as it may be heard

  const stop = (text) => {
    if (over) return;
    over = true;
    audio.pause();
    // What the browser has got already is not heard either.
    audio.removeAttribute("src");
    audio.load();
    for (const one of player.querySelectorAll("button, select, input")) one.disabled = true;
    wave.setAttribute("aria-disabled", "true");
    failed.textContent = text;
    failed.hidden = false;
  };
  const whyNot = async () => {
    const answer = await fetch(words.peaks, { headers: { Accept: "application/json" } });
    return answer.ok ? "" : (await answer.json()).error.message;
  };
  /** Whether it may be heard still; when not, it is not. Nothing of the audio is sent for that. */
  let unheard = 0;
  const ask = async () => {
    try {
      const answer = await fetch(audio.currentSrc || audio.src, { method: "HEAD" });
      unheard = 0;
      if (answer.ok) return true;
      stop((await whyNot()) || words.lost);
      return false;
    } catch {
      unheard += 1;
      if (unheard >= MOST_UNHEARD) stop(words.lost);
      return !over;
    }
  };
  setInterval(() => { if (!audio.paused && !over) ask(); }, ASK_EVERY);

  for (const name of ["play", "pause", "ended"]) {
    audio.addEventListener(name, () => {
      control("play").textContent = audio.paused ? words.play : words.pause;
      show(true);
      follow();
    });
  }
  for (const name of ["timeupdate", "seeked", "loadedmetadata", "durationchange"]) audio.addEventListener(name, step);
  // A connection that was given up while nobody listened is taken up again where it was; a refusal is told.
  let tries = 0;
  let wanted = false;
  audio.addEventListener("play", () => { wanted = true; });
  audio.addEventListener("pause", () => { if (!audio.error) wanted = false; });
  audio.addEventListener("playing", () => { tries = 0; });
  audio.addEventListener("error", async () => {
    if (over) return;
    const at = audio.currentTime;
    tries += 1;
    if (!(await ask())) return;
    if (tries > 2) { stop(words.lost); return; }
    audio.addEventListener("loadedmetadata", () => {
      audio.currentTime = at;
      if (wanted) audio.play().catch(() => {});
    }, { once: true });
    audio.load();
  });
  audio.addEventListener("durationchange", showZoom);
  new ResizeObserver(repaint).observe(wave);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  player.querySelector(".made").hidden = false;
  audio.controls = false;
  likeBefore();
  showZoom();
  show();
  control("play").focus({ preventScroll: true });
  fetch(words.peaks, { headers: { Accept: "application/json" } })
    .then(async (answer) => {
      if (!answer.ok) {
        // Without a waveform it is heard all the same, if it may be heard.
        control("skip").disabled = true;
        if (await ask()) tell(words.nowave);
        return;
      }
      peaks = new Uint8Array(await answer.arrayBuffer());
      findSilences();
      const loud = (side) => peaks.some((value, at) => at % 2 === side && value >= QUIET);
      const [caller, agent] = [loud(0), loud(1)];
      if (!caller || !agent) tell(caller ? words.silentagent : agent ? words.silentcaller : words.silent);
      repaint();
    })
    .catch(() => { control("skip").disabled = true; });
})();
