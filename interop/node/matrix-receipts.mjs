// Reads receipt subscriptions until none are left, over Node's `http2`.
//
//     matrix-receipts.mjs RECEIPTS…    prints {"receipt":…,"message":…,"status":…} for each receipt

import assert from 'node:assert/strict';
import { Agent } from './lib.mjs';

/** A receipt is given once; a service that gives it again and again is left after this many rounds. */
const ROUNDS = 3;

const agent = new Agent();
try {
  for (const receipt of process.argv.slice(2)) await read(receipt);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  agent.close();
}

async function read(receipt) {
  for (let round = 0; round < ROUNDS; round += 1) {
    const { status, pushes } = await agent.outstanding(receipt);
    assert.equal(status, pushes.length > 0 ? 200 : 204, `answer to the GET, with ${pushes.length} receipts`);
    for (const push of pushes) {
      console.log(JSON.stringify({ receipt, message: push.url, status: push.status }));
      assert.equal(push.request[':method'], 'GET', 'promised method');
      assert.equal(push.body.length, 0, 'bytes in a receipt');
    }
    if (pushes.length === 0) return;
  }
  throw new Error(`${receipt} still gives receipts in round ${ROUNDS}`);
}
