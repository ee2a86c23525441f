// Module e2e runs the library in real browsers. It is never tagged.
module github.com/coatcheck/coatcheck/e2e

go 1.26.0

replace github.com/coatcheck/coatcheck => ../

require (
	github.com/chromedp/cdproto v0.159.2
	github.com/chromedp/chromedp v0.23.0
	github.com/coatcheck/coatcheck v0.0.0
	github.com/coder/websocket v1.8.15
)

require github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
