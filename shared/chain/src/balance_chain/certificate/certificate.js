// Checks this page's proof bundle in the reader's browser: the steps of balance-verify, without a network.
// SHA-256 and Ed25519 are the browser's own; where it lacks them, the step says so instead of guessing.
"use strict";
(() => {
  const WORDS = {
    matches: "相符", differs: "不符", "signer not recognised": "签名者不识",
    "not checkable": "此处无法核验", "not yet": "尚未",
  };
  const SPACE = "\\u0000-\\u0020+\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
  const NAMED = new RegExp(`^— ([^${SPACE}]+) (\\S+)$`);
  const SIGNATURES = 100;
  const MAX = 2n ** 53n - 1n;
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const part = (id) => document.getElementById(id).textContent;
  const fail = (what) => { throw new Error(what); };

  // Reading: every part has one spelling, as in balance-verify.
  function unbase64(text, size) {
    const binary = atob(text);
    if (btoa(binary) !== text || (size !== undefined && binary.length !== size)) fail("base64");
    return Uint8Array.from(binary, (c) => c.charCodeAt(0));
  }
  function canonical(value) {
    if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
    if (value === null || typeof value !== "object") return JSON.stringify(value);
    return `{${Object.keys(value).sort().map((k) => `${JSON.stringify(k)}:${canonical(value[k])}`).join(",")}}`;
  }
  function object(text, keys) {
    const value = JSON.parse(text);
    if (canonical(value) !== text || Object.keys(value).sort().join() !== keys) fail("canonical form");
    return value;
  }
  function decimal(text) {
    if (!/^(0|[1-9][0-9]{0,15})$/.test(text) || BigInt(text) > MAX) fail("number");
    return BigInt(text);
  }
  function natural(value) {
    return Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : fail("number");
  }
  function read(text) {
    const bundle = object(text, "block,event,log,v");
    const block = object(canonical(bundle.block), "entry,index,path");
    const entryBytes = unbase64(block.entry);
    const entry = object(decoder.decode(entryBytes), "header,key,signature");
    const header = object(entry.header, "count,from,gen,hash,height,origin,prev,root,shard,start,time,v");
    const cut = bundle.log.indexOf("\n\n");
    const lines = bundle.log.slice(0, cut).split("\n");
    const note = bundle.log.slice(cut + 2);
    const end = note.lastIndexOf("\n\n");
    const said = note.slice(0, end + 1);
    const [origin, size, root, ...rest] = said.split("\n");
    if (bundle.v !== 1 || header.v !== 1 || header.hash !== "sha-256" || cut < 0 || end < 0 || rest.join() !== "") fail("shape");
    if (lines[0] !== "c2sp.org/tlog-proof@v1" || !lines[1].startsWith("index ") || !note.endsWith("\n")) fail("tlog-proof");
    if (note.slice(end + 2, -1).split("\n").length > SIGNATURES) fail("signatures");
    return {
      event: unbase64(bundle.event), entryBytes, entry, header, said, origin,
      index: natural(block.index), count: natural(header.count), path: block.path.map((p) => unbase64(p, 32)),
      logIndex: decimal(lines[1].slice(6)), logPath: lines.slice(2).map((p) => unbase64(p, 32)),
      size: decimal(size), root: hex(unbase64(root, 32)),
      signatures: note.slice(end + 2, -1).split("\n").map((line) => {
        const found = NAMED.exec(line) || fail("signature line");
        const data = unbase64(found[2]);
        return { name: found[1], data: data.length > 4 ? data : fail("signature") };
      }),
    };
  }

  // Hashing (RFC 6962) and signatures.
  const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  async function sha256(...pieces) {
    const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of pieces) { whole.set(piece, at); at += piece.length; }
    return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
  }
  const leaf = (record) => sha256([0], record);
  const node = (left, right) => sha256([1], left, right);
  async function fold(record, index, size, path) {
    if (index >= size) return "no root";
    let [position, last, value] = [index, size - 1n, await leaf(record)];
    for (const sibling of path) {
      if (last === 0n) return "no root";
      if (position & 1n || position === last) {
        value = await node(sibling, value);
        while (!(position & 1n) && position) { position >>= 1n; last >>= 1n; }
      } else {
        value = await node(value, sibling);
      }
      position >>= 1n; last >>= 1n;
    }
    return last ? "no root" : hex(value);
  }
  async function readKey(vkey) {
    const [name, hash, ...rest] = vkey.split("+");
    const data = unbase64(rest.join("+"), 33);
    const whole = await sha256(encoder.encode(`${name}\n`), data);
    if (data[0] !== 1 || hex(whole.slice(0, 4)) !== hash) fail("vkey");
    return { name, id: `${name}+${hash}`, hash, public: data.slice(1) };
  }
  async function signed(key, message, signature) {
    try {
      const imported = await crypto.subtle.importKey("raw", key.public, { name: "Ed25519" }, false, ["verify"]);
      return await crypto.subtle.verify({ name: "Ed25519" }, imported, signature, message) ? "matches" : "differs";
    } catch {
      return "not checkable";
    }
  }

  // The steps. Each gives [word, expected, got].
  const compare = (expected, got) => [expected === got ? "matches" : "differs", expected, got];
  async function checkpointSignature(proof, key) {
    const mine = proof.signatures.find((s) => s.name === key.name && hex(s.data.slice(0, 4)) === key.hash);
    const names = proof.signatures.map((s) => `${s.name}+${hex(s.data.slice(0, 4))}`).join(", ");
    if (!mine) return ["signer not recognised", key.id, names];
    return [await signed(key, encoder.encode(proof.said), mine.data.slice(4)), key.id, "?"];
  }
  async function sealerSignature(proof, keys) {
    if (!keys.length) return ["not checkable", "", proof.entry.key];
    const key = keys.find((k) => k.id === proof.entry.key);
    if (!key) return ["signer not recognised", keys.map((k) => k.id).join(", "), proof.entry.key];
    return [await signed(key, encoder.encode(proof.entry.header), unbase64(proof.entry.signature, 64)), key.id, "?"];
  }

  // Witnesses: cosignature/v1 by Ed25519. ML-DSA-44 no browser has; the page says so and leaves it to the command.
  const ED25519 = 4;
  const LAST_TIME = 2n ** 63n - 1n;
  async function readWitness({ name, vkey }) {
    const [keyName, hash, ...rest] = vkey.split("+");
    const data = unbase64(rest.join("+"));
    const whole = await sha256(encoder.encode(`${keyName}\n`), data);
    if (hex(whole.slice(0, 4)) !== hash) fail("witness key");
    return { name, id: `${keyName}+${hash}`, keyName, hash, kind: data[0], public: data.slice(1) };
  }
  async function cosigned(proof, witness) {
    const line = proof.signatures.find((s) => s.name === witness.keyName && hex(s.data.slice(0, 4)) === witness.hash);
    if (!line) return { word: "not yet" };
    if (witness.kind !== ED25519) return { word: "not checkable", lasting: true };
    if (line.data.length !== 76) return { word: "differs" };
    const time = line.data.slice(4, 12).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    if (time > LAST_TIME) return { word: "differs" };
    const message = encoder.encode(`cosignature/v1\ntime ${time}\n${proof.said}`);
    return { word: await signed(witness, message, line.data.slice(12)), time };
  }
  function reached(policy, names) {
    const counts = new Map(policy.witnesses.map((w) => [w.name, names.includes(w.name)]));
    for (const group of policy.groups) {
      counts.set(group.name, group.members.filter((member) => counts.get(member)).length >= group.threshold);
    }
    return counts.get(policy.quorum) === true;
  }
  function written(time) {
    return time <= 253402300799n ? new Date(Number(time) * 1000).toISOString().replace(".000Z", "Z") : `second ${time}`;
  }
  async function witnesses(proof, policy) {
    if (!policy) return { step: ["not checkable", "", ""] };
    const keys = await Promise.all(policy.witnesses.map(readWitness));
    const found = await Promise.all(keys.map((key) => cosigned(proof, key)));
    const named = (...words) => keys.filter((_, at) => words.includes(found[at].word)).map((key) => key.name);
    const wrong = found.findIndex((each) => each.word === "differs");
    const by = named("matches").join(", ");
    let word = reached(policy, named("matches", "not checkable")) ? "not checkable" : "not yet";
    if (reached(policy, named("matches"))) word = "matches";
    if (wrong >= 0) word = "differs";
    if (!policy.listed) word = "signer not recognised";
    // Since when: the first moment at which those who had cosigned were a quorum.
    const times = found.map((each, at) => [each, keys[at].name]).filter(([each]) => each.word === "matches");
    times.sort(([a], [b]) => (a.time < b.time ? -1 : Number(a.time > b.time)));
    const last = times.findIndex((_, at) => reached(policy, times.slice(0, at + 1).map(([, name]) => name)));
    const since = word === "matches" ? written(times[last][0].time) : "";
    return { step: [word, policy.quorum, wrong >= 0 ? keys[wrong].id : by || "-"], found, since };
  }
  function shown(proof) {
    const facts = { checkpoint: `${proof.size}`, root: proof.root, blocktime: proof.header.time, sealer: proof.entry.key };
    facts.place = `${proof.header.shard} / ${proof.header.height} / ${proof.index}`;
    facts.entry = `${proof.logIndex}`;
    facts.event = new TextDecoder().decode(proof.event);
    let members = {};
    try { members = JSON.parse(facts.event); } catch { /* an event may be any bytes */ }
    for (const element of document.querySelectorAll("[data-fact]")) {
      const name = element.dataset.fact;
      const fact = name in facts ? facts[name] : members[name];
      const [expected, got] = [typeof fact === "string" ? fact : "", element.textContent];
      if (expected !== got) return ["differs", `${name}: ${expected}`, `${name}: ${got}`];
    }
    return ["matches", "", ""];
  }
  async function steps(proof, key, sealers, witnessed) {
    const origin = proof.header.origin !== key.name ? proof.header.origin : proof.origin;
    return [
      [proof.index < proof.count ? "matches" : "differs", `< ${proof.count}`, `${proof.index}`],
      compare(proof.header.root, await fold(proof.event, proof.index, proof.count, proof.path)),
      compare(proof.root, await fold(proof.entryBytes, proof.logIndex, proof.size, proof.logPath)),
      compare(key.name, origin),
      await checkpointSignature(proof, key),
      await sealerSignature(proof, sealers),
      witnessed.step,
      shown(proof),
    ];
  }

  // Saying.
  function put(parent, zh, en) {
    for (const [lang, text] of [["zh", zh], ["en", en]]) {
      const span = document.createElement("span");
      span.lang = lang;
      span.textContent = text;
      parent.append(span);
    }
  }
  function say(number, [word, expected, got]) {
    const cell = document.getElementById(`result-${number}`);
    cell.textContent = "";
    cell.dataset.word = word;
    put(cell, WORDS[word], word);
    if (word === "differs" || word === "signer not recognised") {
      const values = document.createElement("p");
      values.className = "values";
      put(values, `应为 ${expected}；实为 ${got}`, `expected ${expected}; got ${got}`);
      cell.append(values);
    }
  }
  function tell(element, word, zh, en) {
    element.textContent = "";
    element.dataset.word = word;
    put(element, zh, en);
  }
  const conclude = (word, zh, en) => tell(document.getElementById("verdict"), word, zh, en);
  function sayWitnesses({ step: [word], found, since }) {
    if (!found) return;
    found.forEach((each, at) => {
      const cell = document.getElementById(`witness-${at + 1}`);
      if (each.lasting) {
        tell(cell, each.word, "此处无法核验：浏览器没有 ML-DSA-44，请用下面的命令",
          "not checkable: browsers have no ML-DSA-44; use the command below");
      } else if (each.word === "not yet") {
        tell(cell, each.word, "尚未联署", "not yet: it has not cosigned this checkpoint");
      } else {
        const when = each.word === "matches" ? `, ${written(each.time)}` : "";
        tell(cell, each.word, WORDS[each.word] + when, each.word + when);
      }
    });
    const quorum = document.getElementById("quorum");
    if (word === "matches") {
      tell(quorum, word, `已达法定数：最迟于 ${since} 已存在。`, `A quorum has cosigned: it existed no later than ${since}.`);
    } else if (word === "not yet") {
      tell(quorum, word, "未达法定数：仅凭运营方之言。", "No quorum has cosigned: the operator's word alone.");
    } else if (word === "signer not recognised") {
      tell(quorum, word, "见证规则不认此账本公钥。", "The policy does not list this log's key.");
    } else if (word === "differs") {
      tell(quorum, word, "有一处联署不符：签名与此检查点对不上。", "A cosignature differs: it does not fit this checkpoint.");
    } else {
      tell(quorum, word, "浏览器能核验的联署不足法定数，请用下面的命令。",
        "What this browser can check is no quorum; use the command below.");
    }
  }
  async function check() {
    if (!globalThis.crypto || !crypto.subtle) {
      return conclude("not checkable", "此处无法核验：浏览器在此地址不提供密码运算。请把文件存到本机打开，或用下面的命令。",
        "Not checkable here: the browser offers no cryptography at this address. Open the saved file, or use the command below.");
    }
    let results, witnessed;
    try {
      const proof = read(decoder.decode(unbase64(part("bundle"))));
      const keys = JSON.parse(part("keys"));
      witnessed = await witnesses(proof, keys.policy);
      results = await steps(proof, await readKey(keys.log), await Promise.all(keys.sealers.map(readKey)), witnessed);
    } catch (error) {
      return conclude("differs", `不符：本页内嵌的证明已损坏（${error.message}）。`, `Differs: the proof inside this page is malformed (${error.message}).`);
    }
    results.forEach((result, at) => say(at + 1, result));
    sayWitnesses(witnessed);
    const wrong = results.findIndex(([word]) => word === "differs" || word === "signer not recognised");
    if (wrong >= 0) {
      return conclude("differs", `不符：第 ${wrong + 1} 步。`, `Differs: step ${wrong + 1}.`);
    }
    if (results.slice(0, 5).some(([word]) => word !== "matches")) {
      return conclude("not checkable", "本浏览器能核验的各步相符，但有必要的一步此处无法核验。请用下面的命令。",
        "What this browser can check matches, but a needed step is not checkable here. Use the command below.");
    }
    if (witnessed.found && results[6][0] === "matches") {
      return conclude("matches", `相符：本页各步均相符；见证方已达法定数，最迟于 ${witnessed.since} 已存在（请比对见证方公钥）。`,
        `Matches: every step of this page matches; a quorum of witnesses has cosigned, it existed no later than ${witnessed.since} (compare the witnesses' keys).`);
    }
    if (witnessed.found) {
      return conclude(results[6][0], "各步相符，但见证方是否达到法定数，此处尚不能肯定：目前仅凭账本运营方之言。请用下面的命令。",
        "Every other step matches, but this page cannot say that a quorum of witnesses has cosigned: so far the operator's word alone. Use the command below.");
    }
    return conclude("matches", "相符：本页各步均相符（仅凭账本运营方之言；见证方请用命令核验）。",
      "Matches: every step of this page matches (operator's word alone; check witnesses with the command).");
  }

  function offer() {
    for (const button of document.querySelectorAll("button[data-lang]")) {
      button.addEventListener("click", () => { document.documentElement.lang = button.dataset.lang; });
    }
    document.getElementById("print").addEventListener("click", () => print());
    document.getElementById("save").addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([unbase64(part("bundle"))], { type: "application/json" }));
      link.download = document.getElementById("save").dataset.name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    });
    document.documentElement.classList.add("live");
  }
  offer();
  check();
})();
