import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'content-disposition';
import { expect, onTestFinished, type TestContext, test } from 'vitest';
import { django, findDjango } from '../../dev/examples/django.ts';
import { type Example, startExample } from '../../dev/examples/site.ts';
import { textOf } from '../harness/paths.ts';
import { tryRun } from '../harness/run.ts';
import { login, PRIVATE, privacyOf } from '../support/django.ts';
import { createVisitor } from '../support/example.ts';
import { folderForTest } from '../support/for-test.ts';
import { needTool } from '../support/need-tool.ts';

// Packages for Django with the lines of integrations/django/README.md. Debian does not have django-filer and Wagtail: if
// they are not on PYTHONPATH, their tests are skipped.

const README = textOf('integrations/django/README.md');
const MAX_CHANGED_LINES = 12;

/** The lines of the README below the name, for the settings of a site. */
function linesOf(name: string): string {
  const [, lines = ''] =
    new RegExp(`\\*\\*${name}\\*\\*[^\`]*[^]*?\`\`\`python\n([^]*?)\n\`\`\``).exec(README) ?? [];
  const changed = lines.split('\n').filter(Boolean);
  // Each site also has the storage of `default`, the application, the middleware and DJANGO_POSTERN.
  expect(changed.length + 4, name).toBeLessThanOrEqual(MAX_CHANGED_LINES);
  return lines;
}

/** A site with its own settings and URLs. */
async function startSite(context: TestContext, module: string, settings: string, urls: string) {
  await needTool('django-postern', context);
  const python = await findDjango({ folder: await folderForTest(), settings: 'settings' });
  const { ok, output } = await tryRun(python.path, ['-c', `import ${module}`], python.env);
  if (!ok) context.skip(`not on PYTHONPATH: ${output.trim().split('\n').at(-1)}`);
  const example = django('site_settings');
  const own: Example = {
    ...example,
    async start(place) {
      await symlink('files', join(place.folder, 'private'));
      await writeFile(join(place.folder, 'site_urls.py'), urls);
      await writeFile(
        join(place.folder, 'site_settings.py'),
        `from settings import *\nROOT_URLCONF = "site_urls"\nINSTALLED_APPS.remove("documents")\n${settings}`,
      );
      return example.start(place);
    },
  };
  const site = await startExample(own);
  onTestFinished(site.stop);
  /** What a script prints as JSON. */
  async function inSite(script: string) {
    const given = { POSTERN_API: site.api, POSTERN_API_KEY: site.key };
    const place = { folder: site.folder, settings: 'site_settings', env: given };
    const { path, env } = await findDjango(place);
    const ran = await tryRun(path, ['-c', `import json, django\ndjango.setup()\n${script}`], env);
    expect(ran.ok, ran.output).toBe(true);
    return JSON.parse(ran.output.trim().split('\n').at(-1) ?? '');
  }
  async function opens(redirect: Response) {
    expect(privacyOf(redirect)).toEqual(PRIVATE);
    const file = await fetch(site.origin + redirect.headers.get('location'));
    return { text: await file.text(), disposition: file.headers.get('content-disposition') };
  }
  return { ...site, inSite, opens };
}

test('django-filer: only a user with the permission of a file opens it', async (context) => {
  const site = await startSite(
    context,
    'filer, easy_thumbnails',
    `INSTALLED_APPS += ["easy_thumbnails", "filer", "polymorphic"]
MEDIA_ROOT = BASE_DIR / "media"
MEDIA_URL = "/media/"
STORAGES["default"] = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
FILER_ENABLE_PERMISSIONS = True
${linesOf('django-filer')}
`,
    `from django.contrib import admin
from django.urls import include, path
urlpatterns = [path("admin/", admin.site.urls), path("", include("filer.server.urls"))]
`,
  );
  const [address, page, closed] = await site.inSite(`
from django.contrib.auth.models import Permission, User
from django.core.files.base import ContentFile
from filer.models import File
User.objects.update(is_superuser=False)
ada, bob = User.objects.order_by("pk")
for user in (ada, bob): user.user_permissions.set(Permission.objects.filter(content_type__app_label="filer"))
file = File(owner=ada, original_filename="Ü (1).txt", is_public=False)
file.file.save("Ü (1).txt", ContentFile(b"of ada"))
file.save()
print(json.dumps([file.url, f"/admin/filer/file/{file.pk}/change/", f"/download/{file.file.name}"]))`);
  expect(address).toMatch(/^\/smedia\/filer_private\/.*\.txt$/);
  const [ada, bob] = [await login(site, 'ada'), await login(site, 'bob')];
  for (const user of [ada, bob]) {
    const text = await (await user(page)).text();
    expect(text).toContain(address);
    expect(text).not.toContain('token=');
  }
  expect((await bob(address)).status).toBe(403); // 404 without DEBUG
  expect((await createVisitor(site.origin)(address)).status).toBe(403);
  expect(await site.opens(await ada(address))).toEqual({ text: 'of ada', disposition: null });
  expect((await fetch(site.origin + closed)).status).toBe(401);
  // The check sees the storages of FILER_STORAGES.
  const errors = await site.inSite(`
from django.conf import settings
from django.core.checks import run_checks
from filer.settings import FILER_PRIVATEMEDIA_STORAGE as storage
storage.mount = "/download"
print(json.dumps([error.id for error in run_checks(tags=["files"])]))`);
  expect(errors).toEqual(['postern.E002']);
});

test('wagtail: a document opens for a user of its collection, with the right Content-Disposition', async (context) => {
  const apps = ['users', 'snippets', 'documents', 'images', 'search', 'admin']
    .map((name) => `"wagtail.${name}"`)
    .join(', ');
  const site = await startSite(
    context,
    'wagtail, modelcluster, taggit, django_tasks',
    `INSTALLED_APPS += [${apps}, "wagtail", "wagtail.sites", "modelcluster", "taggit", "rest_framework"]
WAGTAILADMIN_BASE_URL = "http://127.0.0.1"
WAGTAIL_SITE_NAME = "site"
MEDIA_ROOT = BASE_DIR / "media"
MEDIA_URL = "/media/"
${linesOf('Wagtail')}
`,
    `from django.contrib import admin
from django.urls import include, path
from wagtail import urls
from wagtail.documents import urls as documents
urlpatterns = [path("admin/", admin.site.urls), path("documents/", include(documents)), path("", include(urls))]
`,
  );
  const [pdf, text, picture] = await site.inSite(`
import io
from django.contrib.auth.models import Group, User
from django.core.files.base import ContentFile
from PIL import Image as Pixels
from wagtail.documents.models import Document
from wagtail.images.models import Image
from wagtail.models import Collection, CollectionViewRestriction
User.objects.update(is_superuser=False)
group = Group.objects.create(name="readers")
User.objects.get(username="ada").groups.add(group)
secret = Collection.get_first_root_node().add_child(name="secret")
restriction = CollectionViewRestriction.objects.create(collection=secret, restriction_type="groups")
restriction.groups.add(group)
urls = []
for name in ("Ü b.pdf", "Ü c.txt"):
    document = Document(title=name, collection=secret)
    document.file.save(name, ContentFile(name.encode()))
    document.save()
    urls.append(document.url)
data = io.BytesIO()
Pixels.new("RGB", (9, 9)).save(data, "PNG")
image = Image(title="a")
image.file.save("a.png", ContentFile(data.getvalue()))
image.save()
print(json.dumps([*urls, image.get_rendition("width-5").url]))`);
  expect(picture).toMatch(/^\/media\/images\/a.*\.png$/);
  const [ada, bob] = [await login(site, 'ada'), await login(site, 'bob')];
  expect(await site.opens(await ada(pdf))).toEqual({ text: 'Ü b.pdf', disposition: null });
  const saved = await site.opens(await ada(text));
  expect(parse(saved.disposition ?? '')).toMatchObject({
    type: 'attachment',
    parameters: { filename: 'Ü_c.txt' },
  });
  for (const visit of [bob, createVisitor(site.origin)]) {
    const refused = await visit(text);
    expect(refused.headers.get('location') ?? '').not.toContain('token=');
    expect(refused.status).toBe(302);
  }
});
