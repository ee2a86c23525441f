// The configuration of VitePress for the documentation site: docs/ as it is, in
// which links work as they do on GitHub. tools/docs.sh runs it.
import fs from 'node:fs'
import path from 'node:path'
import { defineConfig } from 'vitepress'

const source = 'https://github.com/coatcheck/coatcheck'
const repository = process.env.REPOSITORY // where docs/ and all that it links to are
const docs = path.join(repository, 'docs')

// pages are the Markdown files of a folder of docs, by name.
const pages = (folder) =>
  fs.readdirSync(path.join(docs, folder)).filter((name) => name.endsWith('.md') && name != 'README.md').sort().map((name) => path.join(folder, name))

// title is the first heading of a file.
const title = (file) => fs.readFileSync(path.join(docs, file), 'utf8').match(/^# +(.*)$/m)[1].replaceAll('`', '')

// address is where a file of docs is on the site.
const address = (file) => '/' + file.replace(/README\.md$/, '').replace(/\.md$/, '')

const entry = (file) => ({ text: title(file), link: address(file) })

// The guide in the order in which people read it; what is not named here follows.
const first = ['walkthrough', 'sessions', 'cookies', 'promises', 'stores', 'security-tips'].map((name) => `guide/${name}.md`)
const guide = [...first, ...pages('guide').filter((file) => !first.includes(file))]

// slug is what GitHub makes of a heading, so that fragments work in both places.
const slug = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}\-_ ]/gu, '').replaceAll(' ', '-')

// links leads relative links to pages of the site, and where they leave docs/ to the
// repository's own. One that leads nowhere ends the build.
function links(md) {
  md.core.ruler.push('repository_links', (state) => {
    for (const block of state.tokens) {
      for (const token of block.children ?? []) {
        if (token.type != 'link_open') continue
        const href = token.attrGet('href')
        if (/^([a-z]+:|#|\/)/.test(href)) continue
        const [target, fragment] = href.split('#')
        const from = path.join(docs, state.env.relativePath)
        const to = path.resolve(path.dirname(from), decodeURI(target))
        if (!fs.existsSync(to)) throw new Error(`${state.env.relativePath} links to ${href}, which does not exist`)
        const inside = path.relative(docs, to)
        const end = fragment ? '#' + fragment : ''
        if (!inside.startsWith('..') && to.endsWith('.md')) {
          token.attrSet('href', address(inside) + end)
        } else {
          const kind = fs.statSync(to).isDirectory() ? 'tree' : 'blob'
          token.attrSet('href', `${source}/${kind}/main/${path.relative(repository, to)}${end}`)
        }
      }
    }
  })
}

// plain keeps what Vue would run from running: a page is Markdown and no template.
function plain(md) {
  for (const name of ['render', 'renderAsync']) {
    const render = md[name]
    if (!render) continue
    md[name] = (...args) => {
      const escape = (html) => html.replaceAll('{{', '&#123;&#123;')
      const html = render.apply(md, args)
      return html.then ? html.then(escape) : escape(html)
    }
  }
}

export default defineConfig({
  title: 'coatcheck',
  description: 'Cookies and sessions for Go web applications',
  srcDir: 'docs',
  cleanUrls: false,
  rewrites: { 'README.md': 'index.md', 'guide/README.md': 'guide/index.md', 'decisions/README.md': 'decisions/index.md', 'operations/README.md': 'operations/index.md' },
  markdown: {
    anchor: { slugify: slug },
    config: (md) => md.use(links).use(plain),
    languageAlias: { caddy: 'nginx', haproxy: 'nginx', vcl: 'c' }, // which it does not know
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    socialLinks: [{ icon: 'github', link: source }],
    nav: [
      { text: 'Guide', link: '/guide/' },
      { text: 'Promises', link: '/guide/promises' },
      { text: 'Reference', link: 'https://pkg.go.dev/github.com/coatcheck/coatcheck' },
    ],
    sidebar: [
      { text: 'Guide', link: '/guide/', items: guide.map(entry) },
      { text: 'More', items: [...pages(''), 'operations/README.md'].map(entry) },
      { text: 'Specification', collapsed: true, items: pages('spec').map(entry) },
      { text: 'Decisions', link: '/decisions/', collapsed: true, items: pages('decisions').map(entry) },
    ],
  },
})
