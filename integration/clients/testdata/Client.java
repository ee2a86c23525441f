import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.net.CookieManager;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

// The JDK's HttpClient with its CookieManager, as its documentation shows them.
// See ../doc.go for what is read and written.
public class Client {
	public static void main(String[] args) throws Exception {
		SSLContext tls = trust(args[0]);
		Map<String, HttpClient> browsers = new HashMap<>();
		System.out.println(System.getProperty("java.version"));
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
		for (String line; (line = in.readLine()) != null;) {
			String[] f = line.split("\t", -1);
			HttpClient browser = browsers.computeIfAbsent(f[0],
				who -> HttpClient.newBuilder().cookieHandler(new CookieManager()).sslContext(tls).build());
			HttpRequest.BodyPublisher body = f[1].equals("POST") ? HttpRequest.BodyPublishers.ofString(f[3]) : HttpRequest.BodyPublishers.noBody();
			HttpRequest request = HttpRequest.newBuilder(URI.create(f[2]))
				.header("Content-Type", "application/x-www-form-urlencoded").method(f[1], body).build();
			int status = 0;
			byte[] answer;
			try {
				HttpResponse<byte[]> response = browser.send(request, HttpResponse.BodyHandlers.ofByteArray());
				status = response.statusCode();
				answer = response.body();
			} catch (Exception e) {
				answer = e.toString().getBytes();
			}
			System.out.println(status + "\t" + Base64.getEncoder().encodeToString(answer));
		}
	}

	static SSLContext trust(String file) throws Exception {
		KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
		store.load(null, null);
		try (FileInputStream in = new FileInputStream(file)) {
			for (Certificate c : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
				store.setCertificateEntry("ca" + store.size(), c);
			}
		}
		TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
		trust.init(store);
		SSLContext tls = SSLContext.getInstance("TLS");
		tls.init(null, trust.getTrustManagers(), null);
		return tls;
	}
}
