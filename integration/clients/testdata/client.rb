# Ruby's http-cookie with Net::HTTP. See ../doc.go for what is read and written.
require 'base64'
require 'http/cookie'
require 'net/http'

$stdout.sync = true
jars = Hash.new { |all, who| all[who] = HTTP::CookieJar.new }
puts HTTP::Cookie::VERSION
while (line = $stdin.gets)
  who, method, url, form = line.chomp.split("\t", -1)
  begin
    uri = URI(url)
    request = (method == 'POST' ? Net::HTTP::Post : Net::HTTP::Get).new(uri)
    if method == 'POST'
      request.body = form
      request.content_type = 'application/x-www-form-urlencoded'
    end
    cookies = HTTP::Cookie.cookie_value(jars[who].cookies(uri))
    request['Cookie'] = cookies unless cookies.empty?
    response = Net::HTTP.start(uri.hostname, uri.port, use_ssl: uri.scheme == 'https', ca_file: ARGV[0]) { |http| http.request(request) }
    (response.get_fields('Set-Cookie') || []).each { |set| jars[who].parse(set, uri) }
    status, body = response.code, response.body
  rescue StandardError => e
    status, body = 0, e.message
  end
  puts "#{status}\t#{Base64.strict_encode64(body)}"
end
