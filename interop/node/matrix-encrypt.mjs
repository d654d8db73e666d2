// Encrypts TEXT to the subscription in the file SUBSCRIPTION (aes128gcm), for senders that cannot.
//
//     matrix-encrypt.mjs SUBSCRIPTION TEXT >BODY

import { createECDH, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import ece from 'http_ece';

const [file, text] = process.argv.slice(2);
const { keys } = JSON.parse(readFileSync(file, 'utf8'));
const privateKey = createECDH('prime256v1');
privateKey.generateKeys();
const body = ece.encrypt(Buffer.from(text), {
  version: 'aes128gcm',
  salt: randomBytes(16),
  privateKey,
  dh: keys.p256dh,
  authSecret: keys.auth,
});
process.stdout.write(body);
