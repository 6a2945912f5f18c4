// One upload by tus-js-client, for test_tus.py: node tus.js MODULE WISH, where WISH is JSON:
//   endpoint, file, name; memory: a file that keeps where uploads stand; deferred: the length comes
//   at the end; pause: end without a word after so many bytes; end: terminate after so many; and
//   options of tus.Upload. Prints one JSON object: what came of it.
'use strict';
const fs = require('fs');
const {PassThrough} = require('stream');
const tus = require(process.argv[2]);
const wish = JSON.parse(process.argv[3]);
const told = {requests: []};

function source() {
  if (!wish.deferred) return fs.readFileSync(wish.file);
  const pipe = new PassThrough();
  fs.createReadStream(wish.file).pipe(pipe);
  return pipe;
}

function leave(result) {
  console.log(JSON.stringify({...told, ...result}));
  process.exit(0);
}

const upload = new tus.Upload(source(), {
  endpoint: wish.endpoint,
  metadata: {filename: wish.name, filetype: 'application/octet-stream'},
  retryDelays: [0, 0, 20, 100, 500, 1000, 2000, 4000],
  ...(wish.memory ? {urlStorage: new tus.FileUrlStorage(wish.memory)} : {}),
  uploadLengthDeferred: wish.deferred,
  removeFingerprintOnSuccess: true,
  fingerprint: () => Promise.resolve(wish.name),
  ...wish.options,
  onAfterResponse: (request, answer) => told.requests.push([request.getMethod(), answer.getStatus()]),
  onProgress: (sent) => {
    if (wish.pause && sent >= wish.pause) leave({paused: sent, url: upload.url});
    if (wish.end && sent >= wish.end) {
      wish.end = 0;
      upload.abort(true).then(() => leave({ended: true, url: upload.url}), (error) => leave({error: String(error)}));
    }
  },
  onSuccess: () => leave({done: true, url: upload.url}),
  onError: (error) => leave({error: String(error)}),
});

upload.findPreviousUploads().then((before) => {
  told.remembered = before.length;
  if (before.length) upload.resumeFromPreviousUpload(before[0]);
  upload.start();
});
