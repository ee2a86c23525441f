package dbsc

import "github.com/coatcheck/coatcheck/internal/binding"

// A refusal is why a proof or a request is refused: the reason of an event, never
// told to the client.
type refusal string

func (r refusal) Error() string { return "dbsc: " + string(r) }

// Reasons of events: all there are. The guide's page on events has them.
const (
	// Of bound and refreshed.
	reasonES256 = "ES256"
	reasonRS256 = "RS256"

	// Of skipped, as browsers say it.
	reasonUnreachable = "unreachable"
	reasonServerError = "server_error"
	reasonQuota       = "quota_exceeded"
	reasonAnother     = "another"

	reasonNoCookie  = "bound session: without its bound cookie"
	reasonForged    = "bound session: the bound cookie is not one of ours"
	reasonOther     = "bound session: the bound cookie of another binding"
	reasonExpired   = "bound session: the bound cookie is past its life"
	reasonDamaged   = "bound session: its binding cannot be read"
	reasonUnbound   = "the page wants a bound session, and this one is not"
	reasonClocks    = "the page wants a fresh proof, and the clocks of two servers are too far apart for one"
	reasonNobody    = "registration: no session of a user"
	reasonTaken     = "registration: the session is bound to another key"
	reasonNoSuch    = "refresh: not the binding of this session"
	reasonNoProof   = refusal("proof: none")
	reasonSeveral   = refusal("proof: several")
	reasonTooLong   = refusal("proof: too long")
	reasonMalformed = refusal("proof: malformed")
	reasonType      = refusal("proof: not of type dbsc+jwt")
	reasonAlgorithm = refusal("proof: another algorithm")
	reasonKey       = refusal("proof: a key that is not acceptable")
	reasonEmbedded  = refusal("proof: brings a key of its own")
	reasonCritical  = refusal("proof: critical members that nobody knows")
	reasonAudience  = refusal("proof: made for another address")
	reasonSignature = refusal("proof: the signature is wrong")
	reasonChallenge = refusal("proof: not of a challenge for this session")
	reasonStale     = refusal("proof: of a challenge that is too old")
	reasonReplayed  = refusal("proof: of a challenge that was used before")
)

// algorithmName is an algorithm as the reason of an event.
func algorithmName(algorithm byte) string {
	if algorithm == binding.RS256 {
		return reasonRS256
	}
	return reasonES256
}
