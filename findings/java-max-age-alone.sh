#!/usr/bin/env bash
# One would bet: a cookie that a server sets as "a=1; Max-Age=3600; Path=/" comes
# back as "Cookie: a=1", from every HTTP client. Max-Age has been the attribute to
# use since RFC 6265 (2011), whose §4.2.1 has no other form of the Cookie line.
#
# Seen in OpenJDK 17, java.net.http.HttpClient with java.net.CookieManager: what
# comes back is $Version="1"; a="1";$Path="/";$Domain="…", the form of RFC 2965.
# The same line with an Expires anywhere in it, or without Max-Age, comes back as
# a=1: CookieManager guesses the version of a cookie by the names of attributes.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -q -o APT::Sandbox::User=root download openjdk-17-jre-headless openjdk-17-jdk-headless >/dev/null
for package in *.deb; do dpkg-deb -x "$package" files; done
home=$(echo "$dir"/files/usr/lib/jvm/java-17-openjdk-*)
# Its settings are links to where they would be installed.
find "$home" -lname '/etc/java-17-openjdk/*' | while read -r link; do
	ln -sf "$dir/files$(readlink "$link")" "$link"
done
cat > Finding.java <<'JAVA'
import com.sun.net.httpserver.HttpServer;
import java.net.CookieManager;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;

public class Finding {
	public static void main(String[] args) throws Exception {
		System.out.println("OpenJDK " + System.getProperty("java.version"));
		String future = "; Expires=Wed, 01 Jan 2098 00:00:00 GMT";
		boolean as = seen("a=1; Max-Age=3600; Path=/").startsWith("$Version=\"1\"; a=\"1\"")
			& seen("a=1; Max-Age=3600; Path=/" + future).equals("a=1")
			& seen("a=1; Path=/" + future).equals("a=1")
			& seen("a=1; Path=/").equals("a=1");
		System.exit(as ? 0 : 1);
	}

	static String seen(String line) throws Exception {
		HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
		server.createContext("/", exchange -> {
			byte[] came = String.valueOf(exchange.getRequestHeaders().getFirst("Cookie")).getBytes();
			exchange.getResponseHeaders().set("Set-Cookie", line);
			exchange.sendResponseHeaders(200, came.length);
			exchange.getResponseBody().write(came);
			exchange.close();
		});
		server.start();
		try {
			HttpClient client = HttpClient.newBuilder().cookieHandler(new CookieManager()).build();
			HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/")).build();
			client.send(request, BodyHandlers.ofString());
			String came = client.send(request, BodyHandlers.ofString()).body();
			System.out.println("Set-Cookie: " + line + "\n    Cookie: " + came);
			return came;
		} finally {
			server.stop(0);
		}
	}
}
JAVA
"$home/bin/java" Finding.java
