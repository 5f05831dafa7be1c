import * as v from 'valibot';
import { parseJson, type Parsed } from '../store/oci.js';
import type { SigningKey, VerifyingKey } from './keys.js';

/** Source: in-toto attestation framework, envelope.md. */
export const PAYLOAD_TYPE = 'application/vnd.in-toto+json';

/** More is not read of an envelope, in bytes. */
export const MAX_ENVELOPE_BYTES = 64 * 1024;

const base64 = v.pipe(
  v.string(),
  v.check((text) => Buffer.from(text, 'base64').toString('base64') === text, 'not canonical base64'),
);

/** Source: DSSE v1.0, envelope.md. */
const envelopeSchema = v.strictObject({
  payloadType: v.literal(PAYLOAD_TYPE),
  payload: base64,
  signatures: v.pipe(
    v.array(v.strictObject({ keyid: v.string(), sig: base64 })),
    v.minLength(1, 'no signature'),
    v.maxLength(16, 'more than 16 signatures'),
  ),
});

/** A signed payload. */
export type Envelope = v.InferOutput<typeof envelopeSchema>;

/** What is really signed: the payload and its type, with their lengths. Source: DSSE v1.0, protocol.md, "PAE". */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

/** Signs a payload with each of the keys. */
export function signEnvelope(payload: Uint8Array, keys: readonly SigningKey[]): Envelope {
  const data = preAuthEncoding(PAYLOAD_TYPE, payload);
  return {
    payloadType: PAYLOAD_TYPE,
    payload: Buffer.from(payload).toString('base64'),
    signatures: keys.map((key) => ({ keyid: key.keyId, sig: key.sign(data).toString('base64') })),
  };
}

/** Reads an envelope: nothing but the fields of the specification, each in its one canonical form. */
export function parseEnvelope(text: Uint8Array): Parsed<Envelope> {
  if (text.length > MAX_ENVELOPE_BYTES) return { problem: `it has more than ${MAX_ENVELOPE_BYTES} bytes` };
  return parseJson(envelopeSchema, text);
}

/** Those of the keys whose signature an envelope bears. Signatures of other keys are passed over. */
export function signersOf<K extends VerifyingKey>(envelope: Envelope, keys: readonly K[]): K[] {
  const data = preAuthEncoding(envelope.payloadType, payloadOf(envelope));
  return keys.filter((key) =>
    envelope.signatures.some(
      ({ keyid, sig }) => keyid === key.keyId && key.verify(data, Buffer.from(sig, 'base64')),
    ),
  );
}

export const payloadOf = (envelope: Envelope): Buffer => Buffer.from(envelope.payload, 'base64');
