import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP proxy on loopback that lets only so many bytes through in one direction, then does what it was told. */
export interface CuttingProxy {
  readonly port: number;
  /** Lets everything through from now on. */
  heal(): void;
  close(): Promise<void>;
}

/**
 * @param cut `up`: to the registry, `down`: from it, `after` bytes, all connections together
 * @param cut.how what is done then: by default all connections are reset, and new ones too
 */
export function startProxy(
  toPort: number,
  cut: {
    readonly direction: 'up' | 'down';
    readonly after: number;
    /** @default resets every connection */
    readonly how?: () => void;
  },
): Promise<CuttingProxy> {
  let isHealed = false;
  let passed = 0;
  const sockets = new Set<Socket>();
  const count = (chunk: Buffer) => {
    passed += chunk.length;
    if (isHealed || passed <= cut.after) return false;
    if (cut.how) cut.how();
    else for (const socket of sockets) socket.resetAndDestroy();
    return true;
  };
  const server = createServer((client) => {
    const upstream = connect(toPort, '127.0.0.1');
    for (const [from, to, direction] of [
      [client, upstream, 'up'],
      [upstream, client, 'down'],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.end();
      });
      from.on('data', (chunk: Buffer) => {
        if (direction === cut.direction && count(chunk)) return;
        to.write(chunk);
      });
    }
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () =>
      resolve({
        port: (server.address() as AddressInfo).port,
        heal: () => {
          isHealed = true;
        },
        close: () =>
          new Promise((closed) => {
            for (const socket of sockets) socket.destroy();
            server.close(() => closed());
          }),
      }),
    );
  });
}
