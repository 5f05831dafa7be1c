interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** What is put behind a statement comes before what is put in front of the next one. */
  readonly order: number;
}

/** Changes to a text at positions of the unchanged one. */
export class Edits {
  readonly text: string;
  readonly #edits: Edit[] = [];

  constructor(text: string) {
    this.text = text;
  }

  /** Puts a text in front of a position; of several there, in the order of the calls. */
  insert(position: number, text: string): void {
    this.#edits.push({ start: position, end: position, text, order: this.#edits.length });
  }

  /** Puts a text behind what ends at a position; of several there, the last call's comes last. */
  insertAfter(position: number, text: string): void {
    this.#edits.push({ start: position, end: position, text, order: this.#edits.length - 1e9 });
  }

  replace(start: number, end: number, text: string): void {
    this.#edits.push({ start, end, text, order: this.#edits.length });
  }

  apply(): string {
    const edits = [...this.#edits].sort((one, other) => one.start - other.start || one.order - other.order);
    const parts: string[] = [];
    let at = 0;
    for (const { start, end, text } of edits) {
      parts.push(this.text.slice(at, start), text);
      at = end;
    }
    return parts.join('') + this.text.slice(at);
  }
}
