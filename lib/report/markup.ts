/** Text that is HTML already. */
export class Markup {
  constructor(readonly text: string) {}
}

type Part = Markup | string | number | readonly Part[];

/** A template in which all that is put in is escaped, unless it is {@link Markup}; arrays one after the other. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(
    strings.map((text, index) => text + (index < parts.length ? show(parts[index] ?? '') : '')).join(''),
  );
}

function show(part: Part): string {
  if (part instanceof Markup) return part.text;
  if (typeof part === 'object') return part.map(show).join('');
  return escapeHtml(String(part));
}

export const escapeHtml = (text: string): string =>
  visible(text).replace(/[&<>"'`]/g, (letter) => `&#${letter.codePointAt(0)};`);

/** Text with nothing in it that HTML can't hold, or that would turn the direction of what is around it. */
export const visible = (text: string): string =>
  text
    // Line breaks and tabs too: nothing that is shown has more than one line.
    .replace(/[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029\ufffe\uffff]/gu, (letter) =>
      letter === '\n' || letter === '\t' ? ' ' : `\\u{${letter.codePointAt(0)?.toString(16)}}`,
    );

/** The beginning of a text that is too long. */
export const shorten = (text: string, limit: number): string => {
  const letters = [...text];
  return letters.length <= limit ? text : `${letters.slice(0, Math.max(1, limit - 1)).join('')}…`;
};
