import { createSocket } from 'node:dgram';
import { pino } from 'pino';
import { createCollector } from '../../service/delivery/collect.ts';
import { listenUdp } from '../../service/process/listen.ts';
import { waitFor } from '../harness/wait.ts';
import { KEY } from './postern.ts';
import { samplesOf } from './samples.ts';
import { type Site, type SiteOptions, startSite } from './site.ts';

/** `delivered` of `GET /tokens/{id}`. */
export interface DeliveredAnswer {
  readonly requests: number;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
  readonly size?: number;
  readonly whole?: boolean;
}

export interface ReportingSite extends Site {
  /** The port for lines of nginx. */
  readonly port: number;
  /** Waits until the API shows so many requests of a token. */
  delivered(id: string, requests: number): Promise<DeliveredAnswer>;
  /** The metrics, when each line that has come is counted. */
  samples(): Promise<ReadonlyMap<string, number>>;
  /** Sends datagrams as another process of this machine. */
  send(...lines: ReadonlyArray<string | Buffer>): Promise<void>;
}

/** A site whose nginx reports to Postern what it sends. */
export async function startReportingSite(
  options: SiteOptions,
  from: readonly string[] = ['127.0.0.1'],
): Promise<ReportingSite> {
  let receive = (_data: Buffer, _address: string) => {};
  const where = { host: '127.0.0.1', port: 0 };
  const socket = await listenUdp((...line) => receive(...line), where, 'POSTERN_DELIVERY_LISTEN');
  const { port } = socket.address();
  const site = await startSite({
    countsBytes: true,
    ...options,
    http: `access_log syslog:server=127.0.0.1:${port},nohostname postern_delivery if=$postern_sent;
      ${options.http ?? ''}`,
  });
  const { api, deliver, metrics } = site.postern;
  const { countDeliveries } = metrics;
  const log = pino({ level: 'silent' });
  const collector = createCollector({ from, deliver, countDeliveries, log, now: Date.now });
  receive = collector.receive;

  return {
    ...site,
    port,
    async delivered(id, requests) {
      const headers = { authorization: `Bearer ${KEY}` };
      return waitFor(
        async () => {
          const state = await (await api.request(`/tokens/${id}`, { headers })).json();
          const { delivered } = state as { delivered?: DeliveredAnswer };
          return delivered !== undefined && delivered.requests >= requests && delivered;
        },
        { what: `${requests} requests to be reported` },
      );
    },
    async samples() {
      await collector.flush();
      return samplesOf(await metrics.text());
    },
    async send(...lines) {
      const sender = createSocket('udp4');
      for (const line of lines) {
        await new Promise<void>((resolve, reject) => {
          sender.send(line, port, '127.0.0.1', (error) => (error ? reject(error) : resolve()));
        });
      }
      sender.close();
    },
    async stop() {
      socket.close();
      await collector.flush();
      await site.stop();
    },
  };
}
