import { playHls } from './film.js';

const MAX_ROWS = 100;

const links = document.querySelector('#links');
const status = document.querySelector('[role=status]');
const video = document.querySelector('video');
const table = document.querySelector('tbody');

/** What a button does with the link that the application returns. */
const acts = {
  download({ url }) {
    const link = document.createElement('a');
    link.href = url;
    link.download = '';
    link.click();
  },
  watch({ url }) {
    video.hidden = false;
    playHls(video, new URL(url, location.href));
    video.play().catch(() => {});
  },
  open({ url }, tab) {
    if (tab !== null) tab.location = url;
  },
};

for (const button of document.querySelectorAll('button[data-name]')) {
  button.addEventListener('click', async () => {
    // Before the first await: only a click may open a tab.
    const tab = button.dataset.act === 'open' ? window.open('about:blank') : null;
    const response = await fetch(`/app/links/${button.dataset.name}`, { method: 'POST' });
    const issued = await response.json();
    issued.url += button.dataset.file ?? '';
    if (!response.ok) {
      tab?.close();
      status.textContent = `Postern issued no token: ${issued.detail}`;
      return;
    }
    const file = button.previousElementSibling.textContent;
    showLink(issued, file);
    status.textContent = `The link for ${file} works for ${issued.expires_in / 60} minutes.`;
    acts[button.dataset.act](issued, tab);
    if (button.dataset.name === 'slow') watchBytes(issued.id, file);
  });
}

const POLL_MS = 500;

/** Shows what nginx has sent for a link so far. A revoked one is gone. */
async function watchBytes(id, file) {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const response = await fetch(`/app/links/${id}`);
    if (!response.ok) return;
    const { delivered } = await response.json();
    if (delivered === undefined) continue;
    status.textContent = `${file}: ${(delivered.bytes / 1e6).toFixed(1)} MB sent. Revoke the link to end the download.`;
    if (delivered.requests > 0) return;
  }
}

function showLink({ id, url }, file) {
  const link = document.createElement('a');
  link.href = url;
  link.target = '_blank';
  link.textContent = `Open ${file}`;
  const revoke = document.createElement('button');
  revoke.type = 'button';
  revoke.textContent = 'Revoke';
  revoke.setAttribute('aria-label', `Revoke the link for ${file}`);
  revoke.addEventListener('click', async () => {
    await fetch(`/app/links/${id}`, { method: 'DELETE' });
    status.textContent = `The link for ${file} is revoked. Open it to see the answer. A slow download has ended.`;
    link.className = 'revoked';
    revoke.replaceWith('revoked');
    link.focus();
  });
  const item = document.createElement('li');
  item.append(link, revoke);
  links.prepend(item);
}

/** The rows of the table, by the ID that nginx gives to each request. Both logs have it. */
const rows = new Map();

function cellsOf(requestId) {
  if (!rows.has(requestId)) {
    const row = table.insertRow(0);
    rows.set(requestId, [row.insertCell(), row.insertCell(), row.insertCell()]);
    document.querySelector('#empty').hidden = true;
    if (table.rows.length > MAX_ROWS) table.deleteRow(-1);
  }
  return rows.get(requestId);
}

/** Shows a text that may break between the parts of a path or name, but not within them. */
function write(cell, text) {
  const parts = text.split(/(?<=[/_?&])/).flatMap((part) => [part, document.createElement('wbr')]);
  cell.replaceChildren(...parts);
}

function show(cell, text, isGood) {
  write(cell, text);
  cell.className = isGood ? 'good' : 'bad';
}

const events = new EventSource('/app/events');
events.addEventListener('postern', ({ data }) => {
  const { msg, request_id: requestId, method, path, code, requester } = JSON.parse(data);
  if (msg !== 'decision') return;
  const [request, postern] = cellsOf(requestId);
  if (request.textContent === '') write(request, `${method} ${path ?? ''}`);
  show(postern, requester ? `${code}, ${requester}` : code, code === 'allow');
});
events.addEventListener('nginx', ({ data }) => {
  const { request_id: requestId, request, status: code, bytes } = JSON.parse(data);
  const [first, , nginx] = cellsOf(requestId);
  write(first, request.replace(/ HTTP\/[\d.]+$/, ''));
  show(nginx, `${code}, ${bytes.toLocaleString('en')} B`, code < 400);
});
