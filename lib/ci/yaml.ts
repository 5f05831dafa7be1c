import { Document } from 'yaml';

/** YAML with a comment at its top, and no line folded: a shell script stays as it is. */
export function toYaml(value: unknown, head: string): string {
  const document = new Document(value, { aliasDuplicateObjects: false });
  document.commentBefore = head;
  return document.toString({ lineWidth: 0 });
}

/** A script of more than one line as YAML shows it best. */
export const script = (lines: readonly string[]): string => `${lines.join('\n')}\n`;
