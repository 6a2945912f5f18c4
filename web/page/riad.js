// What a script adds to pages that work without it: uploads that show their progress and go on by
// themselves, a list of files and a conversation that are live, lines that copy themselves.
// Whatever people wrote enters the page as text, never as HTML.
'use strict';
(() => {
const $ = (id) => document.getElementById(id);
const make = (tag, props, ...inside) => {
  const element = Object.assign(document.createElement(tag), props);
  element.append(...inside);
  return element;
};
const size = (n) => {
  let unit = 0;
  for (; n >= 999.5 && unit < 4; unit++) n /= 1000;
  return (unit && n < 9.95 ? n.toFixed(1) : Math.round(n)) + ' ' + ['bytes', 'kB', 'MB', 'GB', 'TB'][unit];
};
const span = (s) => s < 60 ? Math.ceil(s) + ' s' : s < 3600 ? Math.ceil(s / 60) + ' min' : (s / 3600).toFixed(1) + ' h';
// For screen readers.
const tell = (text) => { $('told').textContent = text };
const address = (path) => '/files/' + path.split('/').map(encodeURIComponent).join('/');
const sentence = (text, status) => {
  text = text.trim();
  if (text && text.length < 300 && text[0] !== '<') return text;
  return 'The box answered ' + status + '.';
};
const me = $('main').dataset.person, host = $('main').dataset.host;
document.documentElement.classList.add('js');

// ---- lines that copy themselves; there is no clipboard API without https ----

for (const code of document.querySelectorAll('#lines pre code, .note pre code, .join pre code')) {
  const button = make('button', {type: 'button', className: 'small', textContent: 'Copy'});
  button.setAttribute('aria-label', 'Copy ' + code.textContent);
  button.onclick = () => {
    const field = make('textarea', {value: code.textContent});
    document.body.append(field);
    field.select();
    document.execCommand('copy');
    field.remove();
    button.focus();
    button.textContent = 'Copied';
    tell('Copied');
    setTimeout(() => { button.textContent = 'Copy' }, 2000);
  };
  code.before(button);
}

// ---- uploads: tus 1.0.0, the whole rest of a file in one PATCH ----

const AT_ONCE = 3;
const waiting = [], running = new Set();
let all = 0, done = 0;

// A pause that ends early when the network, or the phone's owner, is back.
const pause = (ms) => new Promise((go) => {
  const end = () => {
    if (document.visibilityState === 'hidden' && !navigator.onLine) return;
    clearTimeout(timer);
    removeEventListener('online', end);
    document.removeEventListener('visibilitychange', end);
    go();
  };
  const timer = setTimeout(end, ms);
  addEventListener('online', end);
  document.addEventListener('visibilitychange', end);
});

class Upload {
  constructor(file, path) {
    this.file = file;
    this.path = path;
    this.memory = 'upload ' + [path, file.size, file.lastModified].join(' ');
    this.url = recall(this.memory);
  }
  show() {
    this.bar = make('progress', {max: this.file.size || 1, value: 0});
    this.bar.setAttribute('aria-label', this.path);
    this.state = make('small', {textContent: 'Beginning'});
    this.stop = make('button', {type: 'button', className: 'small', textContent: 'Cancel', onclick: () => this.cancel()});
    this.stop.setAttribute('aria-label', 'Cancel ' + this.path);
    this.row = make('li', {}, make('span', {textContent: this.path}), this.state, this.stop, this.bar);
    $('uploads').append(this.row);
  }
  request(method, url, headers, body) {
    return new Promise((go, fail) => {
      const xhr = this.xhr = new XMLHttpRequest();
      xhr.open(method, url);
      headers['Tus-Resumable'] = '1.0.0';
      for (const name in headers) xhr.setRequestHeader(name, headers[name]);
      let alive = Date.now();
      // A connection that stands still for long is dead, whatever the browser thinks.
      const watch = setInterval(() => { if (Date.now() - alive > 45000) xhr.abort() }, 5000);
      xhr.upload.onprogress = (e) => { alive = Date.now(); if (body) this.progress(e.loaded) };
      xhr.onloadend = () => { clearInterval(watch); xhr.status ? go(xhr) : fail(xhr) };
      xhr.send(body || null);
    });
  }
  async begin() {
    const name = btoa(String.fromCharCode(...new TextEncoder().encode(this.path)));
    const answer = await this.request('POST', '/uploads/', {'Upload-Length': this.file.size, 'Upload-Metadata': 'filename ' + name});
    if (answer.status !== 201) return answer;
    this.url = new URL(answer.getResponseHeader('Location'), location).pathname;
    remember(this.memory, this.url);
    this.offset = 0;
  }
  async where() {
    const answer = await this.request('HEAD', this.url, {});
    if (answer.status !== 200) return answer;
    this.offset = +answer.getResponseHeader('Upload-Offset');
  }
  async send() {
    this.from = this.offset;
    this.since = Date.now();
    return this.request('PATCH', this.url, {'Upload-Offset': this.offset, 'Content-Type': 'application/offset+octet-stream'}, this.file.slice(this.offset));
  }
  progress(loaded) {
    const at = this.from + loaded, s = (Date.now() - this.since) / 1000;
    this.bar.value = at;
    if (s < .2) return;
    const rate = loaded / s, left = (this.file.size - at) / rate;
    this.state.textContent = size(at) + ' of ' + size(this.file.size) + ', ' + size(rate) + ' a second, ' + (left < .5 ? 'finishing' : span(left) + ' left');
  }
  // One try: nothing when it is complete, else the answer that stopped it.
  async attempt() {
    let stopped;
    this.offset = undefined;
    if (this.url) stopped = await this.where();
    if (stopped && (stopped.status === 404 || stopped.status === 410 || stopped.status === 403)) {
      this.url = stopped = null;
      forget(this.memory);
    }
    if (!this.url) stopped = await this.begin();
    if (stopped || this.gone) return stopped;
    if (this.offset === this.file.size && this.from !== undefined) return;
    // What cannot be read would fail like a lost connection, for ever.
    try { await new Response(this.file.slice(0, 1)).arrayBuffer() } catch (e) {
      return {status: 400, responseText: 'This file has changed since it was chosen, or cannot be read. Choose it again.'};
    }
    const answer = await this.send();
    if (answer.status === 404) { // the box keeps it no longer: anew, as after a lost connection
      this.url = null;
      forget(this.memory);
      throw answer;
    }
    if (answer.status !== 204) return answer;
    this.at = answer.getResponseHeader('Content-Location');
  }
  async run() {
    this.show();
    for (let wait = 500; !this.gone; wait = Math.min(wait * 2, 8000)) {
      let stopped, lost = false;
      try { stopped = await this.attempt() } catch (e) { lost = true }
      if (this.gone) return;
      if (!lost && !stopped) return this.finish();
      const status = stopped ? stopped.status : 0;
      if (status && status !== 409 && status !== 423 && status !== 429 && (status < 500 || status === 507))
        return this.fail(sentence(stopped.responseText, status));
      if (this.bar.value > (this.best || 0)) { this.best = this.bar.value; wait = 500 }
      this.state.textContent = 'Connection lost; goes on by itself';
      await pause(wait);
    }
  }
  finish() {
    forget(this.memory);
    done++;
    this.bar.remove();
    this.stop.remove();
    // Another file of that name may have been there: then this one has another name.
    const path = this.at ? decodeURIComponent(new URL(this.at, location).pathname.slice(7)) : this.path;
    const other = path !== this.path.normalize();
    this.state.textContent = other ? 'is here as ' + path : 'is here';
    tell(this.path + ' ' + this.state.textContent);
    setTimeout(() => this.row.remove(), other ? 20000 : waiting.length ? 1000 : 6000);
    mine.add(path);
    const row = $('here') && $('here').querySelector('a[href="' + address(path) + '"]');
    if (row) deletable(row.parentNode, path);
  }
  fail(text) {
    forget(this.memory);
    this.bar.remove();
    this.state.className = 'bad';
    this.state.textContent = text;
    this.stop.textContent = 'Close';
    this.stop.onclick = () => this.row.remove();
    tell(this.path + ': ' + text);
  }
  // The box may still be reading what was sent: again, then.
  async discard(tries) {
    const answer = await fetch(this.url, {method: 'DELETE', headers: {'Tus-Resumable': '1.0.0'}}).catch(() => null);
    if (tries && (!answer || answer.status === 423)) setTimeout(() => this.discard(tries - 1), 500);
  }
  cancel() {
    this.gone = true;
    if (this.xhr) this.xhr.abort();
    forget(this.memory);
    if (this.url) this.discard(8);
    this.row.remove();
    tell(this.path + ' cancelled');
    running.delete(this);
    next();
  }
}

// Where an upload that broke off goes on, even after the page was closed.
const recall = (key) => { try { return localStorage.getItem(key) } catch (e) { return null } };
const remember = (key, url) => { try { localStorage.setItem(key, url) } catch (e) { /* private window */ } };
const forget = (key) => { try { localStorage.removeItem(key) } catch (e) { /* private window */ } };

function next() {
  while (running.size < AT_ONCE && waiting.length) {
    const upload = waiting.shift();
    running.add(upload);
    upload.run().finally(() => { running.delete(upload); next() });
  }
  const left = waiting.length + running.size;
  $('queue').hidden = left < 2;
  $('queue').textContent = done + ' of ' + all + ' are here. ';
  if (waiting.length) $('queue').append(make('button', {type: 'button', className: 'small', textContent: 'Cancel the ' + waiting.length + ' that wait', onclick: () => { all -= waiting.length; waiting.length = 0; next() }}));
  // The list of a folder is not live: it is read again when everything is here.
  if (!left && done && !$('here') && !document.querySelector('#uploads .bad')) location.reload();
  if (!left) all = done = 0;
}

function drop(file, path) {
  all++;
  const folder = $('drop').dataset.folder;
  path = path || file.webkitRelativePath || file.name;
  waiting.push(new Upload(file, folder ? folder + '/' + path : path));
  next();
}

// What cannot even begin.
function refuse(path, text) {
  const upload = new Upload({}, path);
  upload.show();
  upload.fail(text);
}

// A folder that was dropped, with everything in it.
async function walk(entry, above) {
  const path = above + entry.name;
  if (entry.isFile) return new Promise((go) => entry.file((file) => { drop(file, path); go() }, () => { refuse(path, 'It cannot be read.'); go() }));
  const reader = entry.createReader();
  for (let empty = true; ; empty = false) {
    const some = await new Promise((go) => reader.readEntries(go, () => go([])));
    if (!some.length) return empty && !above && refuse(path, 'There is nothing in this folder.');
    for (const inner of some) await walk(inner, path + '/');
  }
}

if ($('pick')) {
  for (const id of ['pick', 'pick-folder', 'pick-photo'])
    $(id).onchange = (e) => { for (const file of [...e.target.files]) drop(file); e.target.value = '' };
  let depth = 0;
  const over = (yes) => document.documentElement.classList.toggle('over', yes);
  const files = (e) => e.dataTransfer && [...e.dataTransfer.types].includes('Files');
  addEventListener('dragenter', (e) => { if (files(e)) over(++depth > 0) });
  addEventListener('dragleave', (e) => { if (files(e)) over(--depth > 0) });
  addEventListener('dragover', (e) => { if (files(e)) e.preventDefault() });
  addEventListener('drop', (e) => {
    if (!files(e)) return;
    e.preventDefault();
    over(false);
    depth = 0;
    const entries = [...e.dataTransfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry());
    if (entries.some((entry) => entry)) entries.forEach((entry) => entry && walk(entry, ''));
    else for (const file of e.dataTransfer.files) drop(file);
  });
  addEventListener('paste', (e) => {
    const now = new Date().toTimeString().slice(0, 8).replace(/:/g, '.');
    if (e.clipboardData.files.length) {
      e.preventDefault();
      for (const file of e.clipboardData.files) drop(file, file.name.replace(/^image\./, 'pasted ' + now + '.'));
    } else if (!e.target.closest('input, textarea')) {
      const text = e.clipboardData.getData('text/plain');
      if (text) drop(new File([text], 'pasted ' + now + '.txt', {lastModified: 0}));
    }
  });
  addEventListener('beforeunload', (e) => { if (running.size) e.preventDefault() });
}

// ---- files that are here and that come ----

// What this browser dropped since the page was opened: as a guest's, too, it may be deleted here.
const mine = new Set();

function deletable(row, path) {
  if (row.querySelector('button')) return;
  const button = make('button', {type: 'button', className: 'small', textContent: 'Delete', onclick: async () => {
    const answer = await fetch(address(path), {method: 'DELETE'}).catch(() => null);
    if (answer && (answer.ok || answer.status === 404)) { tell(path + ' is deleted'); return row.remove() }
    const text = answer ? sentence(await answer.text(), answer.status) : 'The box could not be reached.';
    row.append(make('small', {className: 'bad', textContent: text}));
    tell(path + ': ' + text);
  }});
  button.setAttribute('aria-label', 'Delete ' + path);
  row.append(button);
}

function fileRow(file) {
  const row = make('li', {id: 'f' + file.id},
    make('a', {href: address(file.path), textContent: file.path}), make('small', {textContent: size(file.size)}),
    make('small', {textContent: file.owner || (file.by_hand ? 'the organiser' : 'a guest')}), make('time', {dateTime: file.time, textContent: file.time.slice(11, 16)}));
  if (host || (me ? file.owner === me : !file.owner && mine.has(file.path))) deletable(row, file.path);
  return row;
}

// Everything anew; not while something is on its way up.
const renew = () => { if (running.size) setTimeout(renew, 3000); else location.reload() };

// The list of a folder: its order, its pages and what may be deleted are the box's to know, so that
// it is taken from a fresh copy of this page; so is that of the first page after the connection was
// lost. What somebody has open or focused stays.
const list = $('list'), shown = list || $('here');
const within = (path) => path.startsWith(list.dataset.folder && list.dataset.folder + '/');
async function reread() {
  const answer = await fetch(location.href, {headers: {Accept: 'text/html'}}).catch(() => null);
  return answer && answer.ok && new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById(shown.id);
}
let asked, late; // late: what came while the copy was on its way, which does not have it
async function relist() {
  asked = 0;
  const missed = late = [], fresh = await reread();
  if (late === missed) late = null;
  if (!fresh) return;
  const focus = document.activeElement;
  for (const row of fresh.querySelectorAll('li[id]')) {
    const old = $(row.id);
    if (old && (old.contains(focus) || old.querySelector('details[open]'))) row.replaceWith(old);
  }
  shown.replaceChildren(...fresh.childNodes);
  for (const again of missed) again();
  if ($('none')) $('none').hidden = shown.children.length > 0;
  if (focus.isConnected) focus.focus();
}
// Not everybody at the same time.
const stale = (yes) => { if (yes) asked = asked || setTimeout(relist, 200 + 1500 * Math.random()) };

const news = {
  file(file) {
    if (list) return stale(within(file.path));
    if (file.path.startsWith('shelf/')) return;
    if (late) late.push(() => news.file(file));
    const old = $('f' + file.id);
    if (old) return old.replaceWith(fileRow(file));
    $('here').prepend(fileRow(file));
    while ($('here').children.length > 12) $('here').lastChild.remove();
    $('none').hidden = true;
  },
  gone(file) {
    const row = $('f' + file.id);
    if (list) return stale(row);
    if (late) late.push(() => news.gone(file));
    if (row) row.remove();
    $('none').hidden = $('here').children.length > 0;
  },
  totals(all) { if ($('totals')) $('totals').textContent = 'All files: ' + all.files + ', ' + size(all.bytes) },
  coming(all) {
    $('coming').replaceChildren(...all.filter((one) => !list || within(one.path)).map((one) => {
      const bar = make('progress', one.size ? {max: one.size, value: one.received} : {});
      bar.setAttribute('aria-label', one.path);
      return make('li', {}, make('a', {href: address(one.path), textContent: one.path}),
        make('small', {textContent: 'arriving from ' + (one.owner || 'a guest') + ', ' + size(one.received) + (one.size ? ' of ' + size(one.size) : '')}), bar);
    }));
  },
  here(who) {
    const crowd = $('crowd');
    if (!crowd) return;
    crowd.textContent = !who.count ? 'Nobody is in the chat just now' : who.count + (who.count === 1 ? ' person is' : ' people are') + ' here now';
    crowd.title = who.people.join(', ');
  },
  removed(message) {
    const row = $('m' + message.id);
    if (!row) return;
    row.className = 'gone';
    row.lastChild.replaceWith('took this back');
  },
  again() { renew() },
  bye(why, events) {
    if (!why.kicked) return renew();
    events.close();
    trouble('A host has ended this session. Load the page again to come back.');
  },
};

// ---- the conversation ----

const chat = $('chat'), said = $('said'), log = $('log');
let newest = chat ? +chat.dataset.newest : 0;
const unread = {};

const colour = (name) => [...new TextEncoder().encode(name)].reduce((sum, byte) => sum + byte, 0) % 6;
// Web addresses as links, the rest as it is.
const words = (text) => text.split(/(https?:\/\/[^\s"<>`]*[^\s"<>`.,;:!?)\]}'])/).map((part, i) =>
  i % 2 ? make('a', {href: part, textContent: part, target: '_blank', rel: 'noreferrer noopener'}) : part);

// "ada dropped a.txt (3 kB)", "ada dropped 3 files: a, b and 1 more (3 kB)": the names as links.
function dropped(text) {
  const [, who, many, names, rest] = /^(.*? dropped )(\d+ files: )?(.+?)((?: and \d+ more)? \([^(]*)$/.exec(text) || [];
  if (!names) return [text];
  const links = (many ? names.split(', ') : [names]).map((path) => make('a', {href: address(path), textContent: path}));
  return [who, many || '', ...links.flatMap((link, i) => i ? [', ', link] : [link]), rest];
}

function messageRow(m) {
  const row = make('li', {id: 'm' + m.id}, make('time', {dateTime: m.time, textContent: m.time.slice(11, 16)}), ' ');
  row.className = m.removed ? 'gone' : !m.room ? 'private' : m.kind === 'say' || m.kind === 'me' ? '' : 'box';
  const file = m.kind === 'file' && !m.removed;
  if (m.name && !file) row.append(make('b', {className: 'c' + colour(m.name), textContent: m.name}), ' ');
  if (!m.room) row.append(make('small', {textContent: 'to ' + (m.to === me ? 'you' : m.to) + ':'}), ' ');
  const before = m.kind === 'topic' ? 'set the topic: ' : '';
  row.append(make('span', {}, ...(m.removed ? ['took this back'] : file ? dropped(m.text) : [before, ...words(m.text)])));
  return row;
}

// Rows with a line wherever a day begins; day is that of the row before.
function rows(messages, day) {
  return messages.flatMap((m) => {
    const begins = m.time.slice(0, 10) !== day;
    day = m.time.slice(0, 10);
    return begins ? [make('li', {className: 'day', textContent: day}), messageRow(m)] : [messageRow(m)];
  });
}

const lastDay = () => { const t = said.querySelectorAll('li time'); return t.length ? t[t.length - 1].dateTime.slice(0, 10) : '' };
const toEnd = () => { log.scrollTop = log.scrollHeight };

function hear(m) {
  newest = Math.max(newest, m.id);
  if ($('m' + m.id) || chat.dataset.still) return;
  const other = m.name === me ? m.to : m.name;
  const mine = m.room ? m.room === chat.dataset.room : chat.dataset.with ? other === chat.dataset.with : true;
  if (!mine) {
    const tab = m.room && document.querySelector('#rooms [data-room="' + m.room + '"]');
    if (tab) tab.textContent = m.room + ' (' + (unread[m.room] = (unread[m.room] || 0) + 1) + ')';
    return;
  }
  const stay = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  said.append(...rows([m], lastDay()));
  if (stay) toEnd();
  if (document.hidden && !document.title.startsWith('* ')) document.title = '* ' + document.title;
}
document.addEventListener('visibilitychange', () => { if (!document.hidden) document.title = document.title.replace(/^\* /, '') });

function trouble(text) {
  if (!$('line')) return;
  $('line').hidden = !text;
  $('line').textContent = text;
}

let followed = false;
function follow() {
  const events = new EventSource(said ? '/chat/events?since=' + newest : '/chat/events?files');
  events.onopen = () => {
    trouble('');
    stale(followed && shown);
    followed = true;
  };
  events.onmessage = (e) => hear(JSON.parse(e.data));
  for (const name in news)
    events.addEventListener(name, (e) => { if ($('coming') || !['file', 'gone', 'totals', 'coming'].includes(name)) news[name](JSON.parse(e.data), events) });
  events.onerror = () => {
    trouble('The connection to the box is lost. This page goes on by itself.');
    if (events.readyState !== 2) return;
    events.close();
    setTimeout(follow, 4000);
  };
  addEventListener('pagehide', () => events.close());
}

if (list && list.dataset.live) follow();
if (said) {
  toEnd();
  follow();
  const form = $('say');
  if (form) form.onsubmit = async (e) => {
    e.preventDefault();
    const text = form.text.value;
    if (!text.trim()) return;
    form.text.value = '';
    try {
      const answer = await fetch(form.action, {method: 'POST', headers: {Accept: 'application/json'}, body: new URLSearchParams({room: form.room.value, to: form.to.value, to_id: form.to_id.value, text})});
      trouble(answer.ok ? '' : (await answer.json()).error);
      if (!answer.ok) form.text.value = text;
    } catch (error) {
      form.text.value = text;
      trouble('The box could not be reached. Your words are still here.');
    }
    toEnd();
  };
  const earlier = $('earlier');
  if (earlier) earlier.onclick = async (e) => {
    e.preventDefault();
    const query = new URL(earlier.href).searchParams;
    query.set('limit', 50);
    const list = (await (await fetch('/api/messages?' + query)).json()).messages;
    const height = log.scrollHeight;
    if (said.firstChild && said.firstChild.className === 'day') said.firstChild.remove();
    const first = said.querySelector('li time');
    const fresh = rows(list, '');
    if (first && (!list.length || list[list.length - 1].time.slice(0, 10) !== first.dateTime.slice(0, 10)))
      fresh.push(make('li', {className: 'day', textContent: first.dateTime.slice(0, 10)}));
    said.prepend(...fresh);
    log.scrollTop += log.scrollHeight - height;
    if (list.length < 50) return earlier.remove();
    query.set('before', list[0].id);
    earlier.href = '/chat?' + query;
  };
}
})();
