import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import { sha256Hex } from '../digest.js';
import { messageOf, RbmResumeError, systemErrorCode } from '../errors.js';

/** A key file has some 120 bytes; nothing longer than this is read. */
const MAX_KEY_BYTES = 16 * 1024;

/** A public key of ed25519. */
export interface VerifyingKey {
  /** SHA-256 of its SubjectPublicKeyInfo (DER), as 64 hex digits. */
  readonly keyId: string;
  verify(data: Uint8Array, signature: Uint8Array): boolean;
}

/** A private key of ed25519. The key itself can't be had from it. */
export interface SigningKey {
  /** Of its public key. */
  readonly keyId: string;
  sign(data: Uint8Array): Buffer;
}

export interface GeneratedKey {
  readonly keyId: string;
  readonly privateFile: string;
  readonly publicFile: string;
}

/**
 * Makes a key pair: the private key (PEM, PKCS#8) in `file`, which nobody else may read, and the public one (PEM, SPKI) in
 * `file.pub`. Neither file may exist. Both are on the disk when the promise is fulfilled; when it rejects, neither was made.
 * @throws RbmResumeError `BAD_KEY`
 */
export async function generateKey(file: string): Promise<GeneratedKey> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const publicFile = `${file}.pub`;
  await writeNew(publicFile, publicKey.export({ type: 'spki', format: 'pem' }), 0o644);
  try {
    await writeNew(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), 0o600);
  } catch (error) {
    await unlink(publicFile);
    throw error;
  }
  return { keyId: keyIdOf(publicKey), privateFile: file, publicFile };
}

async function writeNew(file: string, data: string | Buffer, mode: number): Promise<void> {
  const handle = await open(file, 'wx', mode).catch((cause: unknown) => {
    const what = systemErrorCode(cause) === 'EEXIST' ? 'it exists already' : messageOf(cause);
    throw badKey(`cannot write the key ${file}: ${what}`, 'Name a file that does not exist yet.', cause);
  });
  try {
    await handle.writeFile(data);
    await handle.sync();
  } catch (error) {
    await unlink(file);
    throw error;
  } finally {
    await handle.close();
  }
}

/**
 * Reads a private key from a file, or from a descriptor, which is closed at once: what is started afterwards does not inherit
 * it. A file that others may read is refused.
 * @throws RbmResumeError `BAD_KEY`
 */
export function readSigningKey(
  from: { readonly file: string } | { readonly descriptor: number },
): SigningKey {
  const name = 'file' in from ? from.file : `descriptor ${from.descriptor}`;
  const pem = 'file' in from ? readFromFile(from.file) : readFromDescriptor(from.descriptor);
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, format: 'pem' });
  } catch {
    // The cause might quote the key.
    throw badKey(`${name} holds no private key`, HINT);
  } finally {
    pem.fill(0);
  }
  if (key.asymmetricKeyType !== 'ed25519')
    throw badKey(`the key in ${name} is one of ${key.asymmetricKeyType}, not of ed25519`, HINT);
  return { keyId: keyIdOf(createPublicKey(key)), sign: (data) => sign(null, data, key) };
}

/**
 * Reads a public key from PEM text.
 * @throws RbmResumeError `BAD_KEY`
 */
export function parseVerifyingKey(pem: string): VerifyingKey {
  // Node would take the public half of a private key, which must not lie about in a policy.
  if (!/^\s*-----BEGIN PUBLIC KEY-----\r?\n[^-]*-----END PUBLIC KEY-----\s*$/.test(pem))
    throw badKey('it is no public key as PEM', HINT);
  let key: KeyObject;
  try {
    key = createPublicKey({ key: pem, format: 'pem' });
  } catch (cause) {
    throw badKey(`it is no public key: ${messageOf(cause)}`, HINT, cause);
  }
  if (key.asymmetricKeyType !== 'ed25519')
    throw badKey(`it is a key of ${key.asymmetricKeyType}, not of ed25519`, HINT);
  return { keyId: keyIdOf(key), verify: (data, signature) => verify(null, data, key, signature) };
}

const keyIdOf = (publicKey: KeyObject): string =>
  sha256Hex(publicKey.export({ type: 'spki', format: 'der' }));

function readFromFile(file: string): Buffer {
  let descriptor: number;
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw badKey(`cannot read the key ${file}: ${messageOf(cause)}`, HINT, cause);
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw badKey(`the key ${file} is no regular file`, HINT);
    if ((stats.mode & 0o077) !== 0)
      throw badKey(
        `the key ${file} may be read by others`,
        `Say chmod 600 ${file}, and ask who has read it.`,
      );
    return readAll(descriptor, file);
  } finally {
    closeSync(descriptor);
  }
}

function readFromDescriptor(descriptor: number): Buffer {
  if (!Number.isInteger(descriptor) || descriptor < 0 || [1, 2].includes(descriptor)) {
    throw new RbmResumeError('USAGE', `not a descriptor to read a key from: ${descriptor}`, {
      hint: 'Such as --sign-key-fd 3 with 3<KEY.',
    });
  }
  try {
    return readAll(descriptor, `descriptor ${descriptor}`);
  } catch (cause) {
    if (cause instanceof RbmResumeError) throw cause;
    throw badKey(`cannot read the key from descriptor ${descriptor}: ${messageOf(cause)}`, HINT, cause);
  } finally {
    try {
      closeSync(descriptor);
    } catch {
      // It was never open, which the read has told.
    }
  }
}

function readAll(descriptor: number, name: string): Buffer {
  const buffer = Buffer.alloc(MAX_KEY_BYTES + 1);
  let length = 0;
  for (;;) {
    const count = readSync(descriptor, buffer, length, buffer.length - length, null);
    length += count;
    if (length > MAX_KEY_BYTES) throw badKey(`${name} holds more than ${MAX_KEY_BYTES} bytes`, HINT);
    if (count === 0) return buffer.subarray(0, length);
  }
}

const HINT = '`rbm-resume keygen FILE` makes a pair: FILE signs, FILE.pub stands in policies.';

const badKey = (what: string, hint: string, cause?: unknown): RbmResumeError =>
  new RbmResumeError('BAD_KEY', what, { hint, cause });
