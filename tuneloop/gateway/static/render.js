// Markdown of an answer as DOM nodes. Nothing is ever parsed as HTML: text goes in as text nodes only.
"use strict";

// Private characters that never come from a model: where an unsupported sentence begins and ends, and markers.
const FROM = "\uE000", TO = "\uE001", MARK = "\uE002", MARK_END = "\uE003";
const PRIVATE = /[\uE000\uE001]|\uE002\d+\uE003/g;
const MARKER = /^ ?(\[\d{1,3}\]|\[not found\]|\[not checked\]|［未找到原文］|［未核对］|\[unsupported\]|［无依据］)/;

// The text with unsupported sentences between FROM and TO, and the marker behind the n-th annotation as MARK n MARK_END.
// Offsets of annotations count characters, not UTF-16 units.
function prepare(text, annotations) {
  const characters = Array.from(text.replace(/[\uE000-\uE003]/g, " "));
  const order = annotations.map((annotation, number) => ({ annotation, number }));
  order.sort((a, b) => b.annotation.text_end - a.annotation.text_end || b.number - a.number);
  let before = Infinity;
  for (const { annotation, number } of order) {
    const { text_start: start, text_end: end, supported } = annotation;
    if (!(start >= 0 && start < end && end <= characters.length && end <= before)) continue;
    const marker = characters.slice(end, end + 16).join("").match(MARKER);
    const written = marker ? Array.from(marker[0]).length : 0;
    if (marker || supported === false) characters.splice(end, written, MARK + number + MARK_END);
    if (supported === false) {
      characters.splice(end, 0, TO);
      characters.splice(start, 0, FROM);
    }
    before = start;
  }
  return characters.join("");
}

// Inline Markdown: code, bold, emphasis, markers and unsupported spans. `cite(n)` gives the node of annotation n.
function inline(text, cite) {
  const out = document.createDocumentFragment();
  let into = out;
  const pattern = /(`+)([\s\S]*?[^`])\1(?!`)|\*\*([^*\s][^*]*?)\*\*|(?<![\w*])\*([^*\s][^*]*?)\*(?![\w*])|\uE002(\d+)\uE003|(\uE000)|(\uE001)/g;
  let from = 0;
  for (const found of text.matchAll(pattern)) {
    if (found.index > from) into.append(text.slice(from, found.index));
    from = found.index + found[0].length;
    const [, , code, bold, emphasis, number, opened, closed] = found;
    if (opened) out.append(into = element("span", "unsupported"));
    else if (closed) into = out;
    else if (code !== undefined) into.append(element("code", "", code.replace(PRIVATE, "").trim()));
    else if (number !== undefined) into.append(cite(Number(number)));
    else {
      const node = element(bold !== undefined ? "strong" : "em");
      node.append(inline(bold ?? emphasis, cite));
      into.append(node);
    }
  }
  if (from < text.length) into.append(text.slice(from));
  return out;
}

// Block Markdown: paragraphs, headings, lists, tables and fenced code, line by line.
function markdown(text, cite) {
  const out = document.createDocumentFragment();
  let open = false;  // inside an unsupported span that began in an earlier block
  const put = (node, content) => {
    const whole = (open ? FROM : "") + content;
    open = whole.lastIndexOf(FROM) > whole.lastIndexOf(TO);
    node.append(inline(whole, cite));
    return node;
  };
  const lines = text.split("\n");
  for (let i = 0; i < lines.length;) {
    const line = lines[i], bare = line.replace(PRIVATE, "");
    const fence = bare.match(/^\s*(```+|~~~+)/);
    const heading = line.match(/^([\uE000\uE001]?)(#{1,6})\s+(.*)$/);
    const item = line.match(/^\s*([\uE000\uE001]?)(?:([-*+])|(\d{1,3})[.)])\s+(.*)$/);
    if (fence) {
      const body = [];
      for (i++; i < lines.length && !lines[i].trim().startsWith(fence[1]); i++) body.push(lines[i]);
      i++;
      const block = element("pre");
      block.append(element("code", "", body.join("\n").replace(PRIVATE, "")));
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
