import { connect, type Socket } from 'node:net';
import { RpcError } from './json-rpc.ts';

/** The daemon could not be asked: not there, no right, or silent. `message` says what to do. */
export class ManagementError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const maxAnswerBytes = 64 * 1024 * 1024;

/**
 * Asks a daemon one thing over its management socket and gives the result.
 *
 * Throws ManagementError when there is no usable answer within `timeoutMs`, RpcError when the daemon refuses.
 */
export async function callManagement(
  socketPath: string,
  method: string,
  params: Readonly<Record<string, unknown>> = {},
  timeoutMs = 5000,
): Promise<unknown> {
  const line = await exchange(socketPath, `${JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })}\n`, timeoutMs);
  let answer: { result?: unknown; error?: { code: number; message: string; data?: unknown } };
  try {
    answer = JSON.parse(line) as typeof answer;
  } catch (error) {
    throw new ManagementError(
      'ERR_MANAGEMENT_ANSWER',
      `what answers on ${socketPath} is no management socket of this suite`,
      { cause: error },
    );
  }
  if (answer.error !== undefined) throw new RpcError(answer.error.code, answer.error.message, answer.error.data);
  return answer.result;
}

/**
 * Subscribes at a daemon and hands on what it tells, until the connection ends. Throws as `callManagement`.
 */
export function followManagement(
  socketPath: string,
  method: string,
  params: Readonly<Record<string, unknown>>,
  heard: (params: unknown) => void,
): Promise<void> {
  return new Promise((done, refuse) => {
    const socket = connect(socketPath);
    socket.setEncoding('utf8');
    let rest = '';
    socket.on('connect', () => socket.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })}\n`));
    socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        const message = JSON.parse(line) as { params?: unknown; error?: { code: number; message: string } };
        if (message.error !== undefined) {
          refuse(new RpcError(message.error.code, message.error.message));
          socket.destroy();
        } else if ('params' in message) heard(message.params);
      }
    });
    socket.on('error', (error: NodeJS.ErrnoException) => refuse(explain(socketPath, error)));
    socket.on('close', () => done());
  });
}

function exchange(socketPath: string, request: string, timeoutMs: number): Promise<string> {
  return new Promise((done, refuse) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const socket: Socket = connect(socketPath);
    const fail = (error: ManagementError) => {
      socket.destroy();
      refuse(error);
    };
    const timer = setTimeout(
      () =>
        fail(new ManagementError('ERR_MANAGEMENT_TIMEOUT', `no answer on ${socketPath} within ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    socket.on('connect', () => socket.write(request));
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > maxAnswerBytes) fail(new ManagementError('ERR_MANAGEMENT_ANSWER', 'the answer is too large'));
      if (!chunk.includes(0x0a)) return;
      const text = Buffer.concat(chunks).toString('utf8');
      done(text.slice(0, text.indexOf('\n')));
      socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => fail(explain(socketPath, error)));
    socket.on('close', () => {
      clearTimeout(timer);
      refuse(new ManagementError('ERR_MANAGEMENT_CLOSED', `the node closed ${socketPath} without an answer`));
    });
  });
}

function explain(socketPath: string, error: NodeJS.ErrnoException): ManagementError {
  const words =
    error.code === 'ENOENT'
      ? `there is no socket ${socketPath}: does the node run? management.socket in its configuration names the path`
      : error.code === 'ECONNREFUSED'
        ? `nobody answers on ${socketPath}: the node has ended without removing it`
        : error.code === 'EACCES'
          ? `${socketPath} may only be used by the user that runs the node: try it as that user`
          : `${socketPath}: ${error.message}`;
  return new ManagementError(`ERR_MANAGEMENT_${error.code ?? 'IO'}`, words, { cause: error });
}
