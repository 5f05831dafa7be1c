import { isDigest, type Digest } from '../digest.js';
import { MAX_ENVELOPE_BYTES, parseEnvelope, payloadOf } from '../trust/dsse.js';
import { parseStatement } from '../trust/statement.js';

/** The manifest that an attestation is about; `null` when these are not the bytes of one. */
export function subjectOf(text: Buffer): { readonly subject: Digest; readonly createdAt: number } | null {
  if (text.length > MAX_ENVELOPE_BYTES) return null;
  const envelope = parseEnvelope(text);
  if (!('value' in envelope)) return null;
  const statement = parseStatement(payloadOf(envelope.value));
  if (!('value' in statement)) return null;
  const { subject, predicate } = statement.value;
  const digest = `sha256:${subject[0].digest.sha256}`;
  return isDigest(digest) ? { subject: digest, createdAt: Date.parse(predicate.createdAt) } : null;
}
