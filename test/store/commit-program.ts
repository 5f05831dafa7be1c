/**
 * What the tests with many processes run: `save STORE NAME COUNT BYTES`, which commits COUNT images with layers of up to
 * BYTES and prints the name of each after its commit; or `gc STORE`, which collects until it is ended.
 */
import { randomInt } from 'node:crypto';
import { collectGarbage } from '../../lib/store/gc.js';
import { storePaths } from '../../lib/store/paths.js';
import { saveImage } from './oci-images.js';

const [verb = '', root = '', name = '', count = '0', bytes = '0'] = process.argv.slice(2);
const paths = storePaths(root);
process.stdout.write('ready\n');
if (verb === 'gc') {
  for (;;) await collectGarbage(paths);
}
for (let index = 0; index < Number(count); index += 1) {
  await saveImage(paths, `${name}-${index}`, { bytes: randomInt(1, Number(bytes)) });
  process.stdout.write(`saved ${name}-${index}\n`);
}
