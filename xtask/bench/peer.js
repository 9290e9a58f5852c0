// The npm decoder behind the protocol of `cargo xtask bench-tokens`: see xtask/src/commands/bench_tokens/peer.rs.
'use strict';
const { decodeResumeToken } = require('mongodb-resumetoken-decoder');

// The sum is what keeps the work from being optimised away, and tells that everybody read the same.
const seconds = (token) => decodeResumeToken(token).timestamp.getHighBits() >>> 0;

function readable(token) {
  try {
    seconds(token);
    return true;
  } catch {
    return false;
  }
}

function round(tokens, millis) {
  const begun = process.hrtime.bigint();
  const limit = BigInt(millis) * 1000000n;
  let [passes, sum, taken] = [0, 0, 0n];
  while (taken < limit) {
    for (let pass = 0; pass < 32; pass++) {
      for (const token of tokens) sum += seconds(token);
    }
    passes += 32;
    taken = process.hrtime.bigint() - begun;
  }
  return `${passes} ${taken} ${sum}`;
}

let tokens = [];
require('readline')
  .createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [order, level, argument] = line.split(' ');
    if (order === 'corpus') {
      tokens = argument.split(',');
      console.log(tokens.map((token) => (readable(token) ? '1' : '0')).join(''));
    } else {
      console.log(round(tokens, argument));
    }
  });
