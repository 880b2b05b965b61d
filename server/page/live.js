// live.js: optional. The server draws every page; this asks for the page again when something
// happened and swaps the parts marked data-live (each has an id). Nothing is drawn here.
const now = document.getElementById('live');
let due = 0, timer = 0;

async function refresh() {
  timer = 0; due = Date.now() + 1000;                       // at most once a second
  const reply = await fetch(location.href, { cache: 'no-cache', headers: { accept: 'text/html' } });
  if (!reply.ok) return;
  const next = new DOMParser().parseFromString(await reply.text(), 'text/html');
  for (const old of document.querySelectorAll('[data-live]')) {
    const fresh = next.getElementById(old.id);
    if (!fresh || fresh.innerHTML === old.innerHTML) continue;
    const at = old.contains(document.activeElement) && document.activeElement.getAttribute('href');
    const open = [...old.querySelectorAll('details')].map(d => d.open);
    old.replaceWith(document.adoptNode(fresh));
    fresh.querySelectorAll('details').forEach((d, i) => { d.open = open[i]; });
    if (at) fresh.querySelector(`[href="${CSS.escape(at)}"]`)?.focus();
  }
}

function listen(url) {
  const source = new EventSource(url);                      // sends Last-Event-ID by itself
  source.onopen = () => { now.textContent = '· live'; };
  source.onerror = () => { now.textContent = '· not live'; };
  source.addEventListener('change', event => {
    const told = JSON.parse(event.data);
    now.textContent = `· live: ${told.what}`;
    timer ||= setTimeout(refresh, Math.max(0, due - Date.now()));
  });
}

for (const pre of navigator.clipboard ? document.querySelectorAll('.copy pre') : []) {
  const button = document.createElement('button');
  button.type = 'button'; button.textContent = 'Copy';
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(pre.dataset.copy);
    button.textContent = 'Copied';
  });
  pre.after(button);
}
const events = document.querySelector('main').dataset.events;
if (events && now) listen(events);
