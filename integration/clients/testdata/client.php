<?php
// PHP's curl with its cookies in memory. See ../doc.go for what is read and
// written.
$browsers = [];
echo PHP_MAJOR_VERSION, '.', PHP_MINOR_VERSION, ', libcurl ', curl_version()['version'], "\n";
while (($line = fgets(STDIN)) !== false) {
	[$who, $method, $url, $form] = explode("\t", rtrim($line, "\n"));
	$browser = $browsers[$who] ??= curl_init();
	curl_setopt_array($browser, [
		CURLOPT_URL => $url,
		CURLOPT_COOKIEFILE => '', // keep cookies, read none
		CURLOPT_RETURNTRANSFER => true,
		CURLOPT_CAINFO => $argv[1],
	]);
	if ($method === 'POST') {
		curl_setopt($browser, CURLOPT_POSTFIELDS, $form);
	} else {
		curl_setopt($browser, CURLOPT_HTTPGET, true);
	}
	$body = curl_exec($browser);
	echo curl_getinfo($browser, CURLINFO_RESPONSE_CODE), "\t", base64_encode($body === false ? curl_error($browser) : $body), "\n";
}
