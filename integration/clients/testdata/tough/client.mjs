// undici's fetch with a jar of tough-cookie. See ../../doc.go for what is read
// and written.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { CookieJar } from 'tough-cookie';
import { Agent, fetch } from 'undici';

const version = (name) => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
const dispatcher = new Agent({ connect: { ca: readFileSync(process.argv[2]) } });
const jars = new Map();
console.log(`${version('tough-cookie')}, undici ${version('undici')}`);
for await (const line of createInterface({ input: process.stdin })) {
	const [who, method, url, form] = line.split('\t');
	if (!jars.has(who)) jars.set(who, new CookieJar());
	const jar = jars.get(who);
	let status = 0, body;
	try {
		const headers = {};
		const cookies = await jar.getCookieString(url);
		if (cookies) headers.cookie = cookies;
		if (method === 'POST') headers['content-type'] = 'application/x-www-form-urlencoded';
		const response = await fetch(url, { method, headers, body: method === 'POST' ? form : undefined, dispatcher, redirect: 'manual' });
		for (const set of response.headers.getSetCookie()) {
			await jar.setCookie(set, url, { ignoreError: true });
		}
		status = response.status;
		body = Buffer.from(await response.arrayBuffer());
	} catch (e) {
		body = Buffer.from(`${e} ${e.cause ?? ''}`);
	}
	console.log(`${status}\t${body.toString('base64')}`);
}
process.exit(0); // kept-alive connections would hold it
