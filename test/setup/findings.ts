import assert from 'node:assert/strict';
import type { Finding } from '../../lib/setup/doctor/finding.js';

/** `STATUS: MESSAGE => CURE` of one check. */
export function told(findings: readonly Finding[], check: string): string {
  const found = findings.filter((finding) => finding.check === check);
  assert.equal(found.length, 1, `${check} among ${findings.map((finding) => finding.check).join(', ')}`);
  return found.map(({ status, message, cure }) => `${status}: ${message} => ${cure}`).join('\n');
}
