import { readFileSync, writeFileSync } from 'node:fs';
import { parseSealed, sealJson } from '../../lib/store/sealed-json.js';

/** Changes the value in a sealed file and seals it anew, as somebody would who may write it. */
export function editSealed(file: string, edit: (value: Record<string, unknown>) => object): void {
  writeFileSync(file, sealJson(edit(parseSealed(readFileSync(file)) as Record<string, unknown>)));
}
