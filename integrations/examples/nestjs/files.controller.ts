// Redirects a user to a file. `mayRead` is your rule. Add the controller to a module of NestJS, with express-session.
import { Controller, Get, Header, HttpException, NotFoundException, Param, Redirect, Res, Session } from '@nestjs/common';
import { createClient, PosternError } from 'postern/client';
import { mayRead } from './rules.js';

const { POSTERN_API = '', POSTERN_API_KEY = '' } = process.env;
const postern = createClient({ url: POSTERN_API, key: POSTERN_API_KEY });

@Controller('files')
export class FilesController {
  // Everyone who has the link can open the file, so no cache and no other site may get it.
  @Get(':name')
  @Header('Cache-Control', 'no-store')
  @Header('Referrer-Policy', 'no-referrer')
  @Redirect('', 303)
  async redirect(
    @Session() { userId }: { userId?: number },
    @Param('name') name: string,
    @Res({ passthrough: true }) response: { setHeader(name: string, value: string): void },
  ): Promise<{ url: string }> {
    if (userId === undefined) return { url: '/login' };
    if ((await mayRead(userId, name)) !== true) throw new NotFoundException();
    try {
      return await postern.issue({ path: `/download/${name}`, subject: String(userId) });
    } catch (error) {
      if (!(error instanceof PosternError)) throw error;
      console.error(`Postern issued no token: ${error.message}`);
      if (error.errors.some(({ pointer }) => pointer === '/path')) throw new NotFoundException();
      response.setHeader('Retry-After', '5');
      throw new HttpException('The file is not available.', 503);
    }
  }
}
