import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { freePort } from '../free-port.ts';

/** Whether a redis-server is installed; says in one line when it is not. */
export function hasRedis(): boolean {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    console.log(
      'redis-server is not installed (Debian: apt-get install redis-server): the tests with Redis are skipped',
    );
    return false;
  }
}

/** A redis-server of the test, on a free port, with nothing on the disk. */
export class RedisServer {
  readonly port: number;
  readonly folder: string;
  #process: ChildProcess | null = null;

  private constructor(port: number, folder: string) {
    this.port = port;
    this.folder = folder;
  }

  static async start(folder: string): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), folder);
    await server.up();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async up(): Promise<void> {
    const options = [
      '--port',
      String(this.port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      this.folder,
    ];
    this.#process = spawn('redis-server', options, { stdio: 'ignore' });
    for (let i = 0; i < 200; i++) {
      const socket = connect(this.port, '127.0.0.1');
      const answers = await Promise.race([
        once(socket, 'connect').then(() => true),
        once(socket, 'error').then(() => false),
      ]).catch(() => false);
      socket.destroy();
      if (answers) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error('redis-server does not come up');
  }

  /** Stops it at once; with nothing on the disk it forgets everything. */
  async down(): Promise<void> {
    const ended = this.#process === null || this.#process.exitCode !== null ? null : once(this.#process, 'exit');
    this.#process?.kill('SIGKILL');
    await ended;
    this.#process = null;
  }

  /** Has it answer nobody for a while, as behind a broken network. */
  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }
}
