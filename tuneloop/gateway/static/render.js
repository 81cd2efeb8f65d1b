// Markdown of an answer as DOM nodes. Nothing is ever parsed as HTML: text goes in as text nodes only.
"use strict";

const UNSUPPORTED_FROM = "\uE000", UNSUPPORTED_TO = "\uE001";

// Marks the unsupported sentences of an answer with private characters, which rendering turns into <span>.
function markSpans(text, spans) {
  const cuts = [];
  for (const [start, end] of spans) cuts.push([start, UNSUPPORTED_FROM], [end, UNSUPPORTED_TO]);
  cuts.sort((a, b) => b[0] - a[0] || (a[1] === UNSUPPORTED_FROM ? -1 : 1));
  const characters = Array.from(text.replace(/[\uE000\uE001]/g, " "));  // offsets count characters, not UTF-16 units
  for (const [at, mark] of cuts) characters.splice(at, 0, mark);
  return characters.join("");
}

// Inline Markdown: code, bold, emphasis, citations and unsupported spans. `cite(number)` gives a node or null.
function inline(text, cite) {
  const out = document.createDocumentFragment();
  let into = out;
  const pattern = /(`+)([\s\S]*?[^`])\1(?!`)|\*\*([^*\s][^*]*?)\*\*|(?<![\w*])\*([^*\s][^*]*?)\*(?![\w*])|\s?\[(\d{1,3})\]|(\uE000)|(\uE001)/g;
  let from = 0;
  const add = (node) => into.append(node);
  for (const found of text.matchAll(pattern)) {
    if (found.index > from) add(text.slice(from, found.index));
    from = found.index + found[0].length;
    const [all, , code, bold, emphasis, number, opened, closed] = found;
    if (opened) { into = element("span", "unsupported"); out.append(into); }
    else if (closed) into = out;
    else if (code !== undefined) add(element("code", "", code.replace(/[\uE000\uE001]/g, "").trim()));
    else if (number !== undefined) add(cite(Number(number)) || all);
    else {
      const node = element(bold !== undefined ? "strong" : "em");
      node.append(inline((bold ?? emphasis), cite));
      add(node);
    }
  }
  if (from < text.length) add(text.slice(from));
  return out;
}

// Block Markdown: paragraphs, headings, lists, tables and fenced code, line by line.
function markdown(text, cite) {
  const out = document.createDocumentFragment();
  let open = false;  // inside an unsupported span that began in an earlier block
  const put = (node, content) => {
    const whole = (open ? UNSUPPORTED_FROM : "") + content;
    open = whole.lastIndexOf(UNSUPPORTED_FROM) > whole.lastIndexOf(UNSUPPORTED_TO);
    node.append(inline(whole, cite));
    return node;
  };
  const lines = text.split("\n");
  for (let i = 0; i < lines.length;) {
    const line = lines[i], bare = line.replace(/[\uE000\uE001]/g, "");
    const fence = bare.match(/^\s*(```+|~~~+)/);
    const heading = line.match(/^([\uE000\uE001]?)(#{1,6})\s+(.*)$/);
    const item = line.match(/^\s*([\uE000\uE001]?)(?:([-*+])|(\d{1,3})[.)])\s+(.*)$/);
    if (fence) {
      const body = [];
      for (i++; i < lines.length && !lines[i].trim().startsWith(fence[1]); i++) body.push(lines[i]);
      i++;
      const block = element("pre");
      block.append(element("code", "", body.join("\n").replace(/[\uE000\uE001]/g, "")));
      out.append(block);
    } else if (!bare.trim()) {
      i++;
    } else if (heading) {
      out.append(put(element(`h${Math.min(6, heading[2].length + 2)}`), heading[1] + heading[3]));
      i++;
    } else if (item) {
      const list = element(item[2] ? "ul" : "ol");
      if (item[3]) list.start = Number(item[3]);
      const kind = item[2] ? /^\s*([\uE000\uE001]?)[-*+]\s+(.*)$/ : /^\s*([\uE000\uE001]?)\d{1,3}[.)]\s+(.*)$/;
      for (let next; i < lines.length && (next = lines[i].match(kind)); i++) {
        const more = [next[2]];
        while (i + 1 < lines.length && /^\s{2,}\S/.test(lines[i + 1]) && !kind.test(lines[i + 1])) more.push(lines[++i].trim());
        list.append(put(element("li"), next[1] + more.join(" ")));
      }
      out.append(list);
    } else if (bare.includes("|") && /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(lines[i + 1] || "")) {
      const table = element("table"), cells = (row) => row.trim().replace(/^\||\|$/g, "").split("|");
      const addRow = (row, kind) => {
        const tr = element("tr");
        for (const cell of cells(row)) tr.append(put(element(kind), cell.trim()));
        table.append(tr);
      };
      addRow(line, "th");
      for (i += 2; i < lines.length && lines[i].includes("|"); i++) addRow(lines[i], "td");
      out.append(table);
    } else {
      const body = [];
      const block = /^[\uE000\uE001]?(\s*(```|~~~)|#{1,6}\s|\s*[-*+]\s|\s*\d{1,3}[.)]\s)/;
      for (; i < lines.length && lines[i].trim() && (!body.length || !block.test(lines[i])); i++) body.push(lines[i]);
      out.append(put(element("p"), body.join("\n")));
    }
  }
  return out;
}

function element(name, className = "", text = "") {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
}
