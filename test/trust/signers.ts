import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { stringify } from 'yaml';
import { readSigningKey, type SigningKey } from '../../lib/trust/keys.js';
import { readPolicy, type Policy } from '../../lib/trust/policy.js';

/** A folder of the test file that imports this, removed when its tests have ended. */
export const folder = realpathSync(mkdtempSync(join(tmpdir(), 'rbm-resume-trust-')));
after(() => rmSync(folder, { recursive: true }));

export interface Signer {
  readonly key: SigningKey;
  readonly privateFile: string;
  readonly publicFile: string;
  readonly publicPem: string;
}

/** A new key pair in files of {@link folder}. */
export function makeSigner(name: string): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const [privateFile, publicFile] = [join(folder, name), join(folder, `${name}.pub`)];
  const publicPem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  writeFileSync(privateFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  writeFileSync(publicFile, publicPem);
  return { key: readSigningKey({ file: privateFile }), privateFile, publicFile, publicPem };
}

let policies = 0;

/** Writes a policy file and returns its path. */
export function writePolicy(policy: unknown): string {
  const file = join(folder, `policy-${(policies += 1)}.yml`);
  writeFileSync(file, typeof policy === 'string' ? policy : stringify(policy));
  return file;
}

/** A policy, read from a file as always. */
export const makePolicy = (policy: Record<string, unknown>): Promise<Policy> =>
  readPolicy(writePolicy({ format: 1, ...policy }));
