/** Receives a piece of data; valid until the call returns. `offset` is where it begins, in bytes. */
export type Sink = (chunk: Buffer, offset: number) => void;

/** What a parser asks for: so many bytes as one buffer (`take`), or so many to go by, to a sink or to nobody (`pass`). */
export type Need =
  | { readonly kind: 'take'; readonly bytes: number }
  | { readonly kind: 'pass'; readonly bytes: number; readonly sink: Sink | null; readonly offset: number };

/** A parser as a generator: it yields what it needs and is resumed with what it took. */
export type Parser<Result = void> = Generator<Need, Result, Buffer>;

const NOTHING = Buffer.alloc(0);

/** Asks for exactly `bytes` bytes. */
export function* take(bytes: number): Parser<Buffer> {
  return bytes === 0 ? NOTHING : yield { kind: 'take', bytes };
}

/** Lets `bytes` bytes go by; the sink gets them with offsets that count from `offset` on. */
export function* pass(bytes: number, sink: Sink | null = null, offset = 0): Parser {
  if (bytes > 0) yield { kind: 'pass', bytes, sink, offset };
}

/** Gives a parser its bytes, in whatever chunks they come. */
export class ByteFeed {
  readonly #parser: Parser;
  #need: Need | null = null;
  /** What has come of a `take` that lies in several chunks. */
  #held: Buffer = NOTHING;
  /** How much of the need has come. */
  #come = 0;
  #bytes = 0;

  constructor(parser: Parser) {
    this.#parser = parser;
    this.#resume(NOTHING);
  }

  /** How many bytes the parser has been given. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @throws whatever the parser or a sink throws; the feed is of no use then */
  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      const need = this.#need;
      if (need === null) throw new Error('bytes after the end of what is parsed');
      const bytes = Math.min(need.bytes - this.#come, chunk.length - at);
      const piece = chunk.subarray(at, at + bytes);
      at += bytes;
      this.#bytes += bytes;
      if (need.kind === 'pass') this.#pass(piece, need);
      else this.#take(piece, need.bytes);
    }
  }

  #pass(piece: Buffer, need: Need & { readonly kind: 'pass' }): void {
    need.sink?.(piece, need.offset + this.#come);
    this.#come += piece.length;
    if (this.#come === need.bytes) this.#resume(NOTHING);
  }

  #take(piece: Buffer, bytes: number): void {
    if (piece.length === bytes) return this.#resume(piece);
    if (this.#come === 0) this.#held = Buffer.allocUnsafe(bytes);
    piece.copy(this.#held, this.#come);
    this.#come += piece.length;
    if (this.#come === bytes) this.#resume(this.#held);
  }

  #resume(data: Buffer): void {
    const { value, done } = this.#parser.next(data);
    this.#need = done === true ? null : value;
    this.#held = NOTHING;
    this.#come = 0;
  }
}
