package auth

import (
	"context"
	"strings"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/selector"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/origin"
	"example.com/parity/server/internal/register"
)

// The interceptors are two pairs, because the log between them needs the name of the caller,
// and needs the calls that are refused. Health is open to all: load balancers have no
// credentials.

// IdentifyUnary returns the interceptor that finds out who calls.
func (a *Auth) IdentifyUnary() grpc.UnaryServerInterceptor {
	return selector.UnaryServerInterceptor(auth.UnaryServerInterceptor(a.identify), selector.MatchFunc(needsAuth))
}

// IdentifyStream returns the interceptor that finds out who calls.
func (a *Auth) IdentifyStream() grpc.StreamServerInterceptor {
	return selector.StreamServerInterceptor(auth.StreamServerInterceptor(a.identify), selector.MatchFunc(needsAuth))
}

// AuthorizeUnary returns the interceptor that refuses what the caller may not do.
func (a *Auth) AuthorizeUnary() grpc.UnaryServerInterceptor {
	return selector.UnaryServerInterceptor(authorizeUnary, selector.MatchFunc(needsAuth))
}

// AuthorizeStream returns the interceptor that refuses what the caller may not do.
func (a *Auth) AuthorizeStream() grpc.StreamServerInterceptor {
	return selector.StreamServerInterceptor(authorizeStream, selector.MatchFunc(needsAuth))
}

func needsAuth(_ context.Context, call interceptors.CallMeta) bool {
	return call.Service != grpc_health_v1.Health_ServiceDesc.ServiceName
}

// identity is who calls: one caller, or a gateway and the old program behind it, whose
// grants must all permit a call.
type identity struct {
	callers [2]*Caller // nil: none
	err     error      // why nobody is known; nil: somebody is
}

type contextKey struct{}

// identify adds the identity to the context, and the caller's name to its origin. It never
// fails: authorize does, behind the log.
func (a *Auth) identify(ctx context.Context) (context.Context, error) {
	policy := a.policy.Load()
	from := origin.FromContext(ctx)
	var id identity
	if !from.Local {
		id.callers[0], id.err = a.networkCaller(ctx, policy)
	}
	if from.Door == register.Legacy {
		id.callers[1] = &policy.legacy
	}
	switch {
	case from.Door == register.Legacy:
		// A gateway may call for many old programs: its name says less than their door.
		from.Caller = policy.legacy.Name
	case id.err != nil:
		from.Stranger = true
	case id.callers[0] != nil:
		from.Caller, from.Proven = id.callers[0].Name, true
	}
	ctx = origin.NewContext(ctx, from)
	return context.WithValue(ctx, contextKey{}, id), nil
}

// networkCaller returns the caller that a token or a certificate proves. A token decides.
func (a *Auth) networkCaller(ctx context.Context, policy *Policy) (*Caller, error) {
	if n := len(metadata.ValueFromIncomingContext(ctx, "authorization")); n > 0 {
		token, err := auth.AuthFromMD(ctx, "bearer")
		if c := policy.ByToken(token); err == nil && n == 1 && c != nil {
			return c, nil
		}
		return nil, errBadToken
	}
	names := a.certificate(ctx)
	if len(names) == 0 {
		return nil, errNoCredentials
	}
	if c := policy.ByCertificate(names); c != nil {
		return c, nil
	}
	return nil, errCertificate
}

// roleOf returns the role that a method needs. What is not a service of this program, such
// as reflection, is for administrators.
func roleOf(method string) Role {
	switch {
	case method == numbersv1.NumberService_ListClients_FullMethodName:
		return Admin
	case strings.HasPrefix(method, "/"+numbersv1.NumberService_ServiceDesc.ServiceName+"/"):
		return Numbers
	case strings.HasPrefix(method, "/"+filesv1.FileService_ServiceDesc.ServiceName+"/"):
		return Files
	}
	return Admin
}

// authorize returns the prefixes of the files that the caller of a method may use, or an
// error if it may not call the method.
func authorize(ctx context.Context, method string) (prefixes []string, err error) {
	id, known := ctx.Value(contextKey{}).(identity)
	if !known {
		return nil, errNoCredentials
	}
	if id.err != nil {
		return nil, id.err
	}
	role := roleOf(method)
	permitted := false
	for _, c := range id.callers {
		if c == nil {
			continue
		}
		if !c.Has(role) {
			return nil, errRole
		}
		permitted = true
		if role == Files && c.FilesPrefix != "" {
			prefixes = append(prefixes, c.FilesPrefix)
		}
	}
	if !permitted {
		return nil, errNoCredentials
	}
	return prefixes, nil
}

func authorizeUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	prefixes, err := authorize(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	if req, err = narrow(req, prefixes); err != nil {
		return nil, err
	}
	return next(ctx, req)
}

func authorizeStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	prefixes, err := authorize(ss.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	if len(prefixes) > 0 {
		ss = &narrowed{ss, prefixes}
	}
	return next(srv, ss)
}

// narrowed is the stream of a caller with prefixes.
type narrowed struct {
	grpc.ServerStream
	prefixes []string
}

// RecvMsg implements grpc.ServerStream.
func (s *narrowed) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	_, err := narrow(m, s.prefixes)
	return err
}

// narrow returns the request as it is for a caller who may use only files with all of the
// prefixes: a list is narrowed to them; any other file is refused.
func narrow(req any, prefixes []string) (any, error) {
	for _, prefix := range prefixes {
		switch r := req.(type) {
		case interface{ GetName() string }: // GetRequest, StatRequest
			if !strings.HasPrefix(r.GetName(), prefix) {
				return nil, errFile
			}
		case *filesv1.ListRequest:
			switch asked := r.GetPrefix(); {
			case strings.HasPrefix(asked, prefix):
			case strings.HasPrefix(prefix, asked):
				own := proto.CloneOf(r) // the caller's request stays as it is
				own.Prefix = prefix
				req = own
			default:
				return nil, errFile
			}
		}
	}
	return req, nil
}
