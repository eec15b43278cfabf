"use strict";
// Puts what the server sends where it belongs. What is old is shown as old: numbers that no longer
// come are marked after a few seconds, and while the page is hidden nobody is asked for them.

const PATIENCE = 10000; // ms without a word until what is shown counts as old
const lost = document.getElementById("lost");
let source = null;
let boot = null;
let heard = performance.now();
let since = new Date();

function take(event) {
  const told = JSON.parse(event.data);
  if (boot !== null && boot !== told.boot) {
    location.reload(); // another run of the program: its accounts may be others
    return;
  }
  boot = told.boot;
  heard = performance.now();
  since = new Date();
  document.title = told.title;
  for (const [id, html] of Object.entries(told.parts)) {
    const part = document.getElementById(id);
    if (part) {
      part.innerHTML = html; // escaped by the server; the page's policy runs no script in it
    }
  }
  show();
}

function show() {
  const old = performance.now() - heard > PATIENCE;
  document.body.classList.toggle("old", old);
  lost.hidden = !old;
  const words = "No word from Marginwatch since " + since.toLocaleTimeString() +
    ". What you see is old.";
  if (old && lost.textContent !== words) {
    lost.textContent = words;
  }
}

function open() {
  if (source === null || source.readyState === EventSource.CLOSED) {
    source = new EventSource("live");
    source.addEventListener("page", take);
  }
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    source.close();
  } else {
    open();
    show();
  }
});
setInterval(() => {
  if (!document.hidden) {
    open(); // a browser gives up on an answer that is no stream, such as that of a proxy
    show();
  }
}, 1000);
open();
