# Perl's LWP with a cookie jar. See ../doc.go for what is read and written.
use strict;
use warnings;
use HTTP::Cookies;
use HTTP::Request;
use LWP::UserAgent;
use MIME::Base64 qw(encode_base64);

$| = 1;
my $ca = shift;
my %browsers;
print "$LWP::UserAgent::VERSION, HTTP::Cookies $HTTP::Cookies::VERSION\n";
while (my $line = <STDIN>) {
	chomp $line;
	my ($who, $method, $url, $form) = split /\t/, $line, -1;
	my $browser = $browsers{$who} //= LWP::UserAgent->new(cookie_jar => {}, ssl_opts => {SSL_ca_file => $ca});
	my $request = HTTP::Request->new($method, $url);
	if ($method eq 'POST') {
		$request->content_type('application/x-www-form-urlencoded');
		$request->content($form);
	}
	my $response = $browser->request($request);
	my $internal = ($response->header('Client-Warning') // '') eq 'Internal response';
	my $status = $internal ? 0 : $response->code;
	print $status, "\t", encode_base64($response->content, ''), "\n";
}
