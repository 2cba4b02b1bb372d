// A stand-in for session agents written in Go: cookie in, bearer out, with the standard library alone.
//
// For each request it checks the cookie's HMAC, reads the session from Redis over a pooled connection, opens it
// with AES-GCM and forwards by httputil.ReverseProxy; at /verify it answers instead, as forward-auth asks for it.
// Agents in use do this and more, so it is faster than they.
package main

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const (
	idleUpstream   = 512
	pooledRedis    = 128
	nonceBytes     = 12
	userBytes      = 4
	authPath       = "/verify"
	copyBufferSize = 32 * 1024
)

var errNoSession = errors.New("no session")

// redisPool keeps connections between requests: one GET is in flight on each.
type redisPool struct {
	address string
	free    chan *redisConnection
}

type redisConnection struct {
	net.Conn
	reader *bufio.Reader
}

func (pool *redisPool) get(key string) ([]byte, error) {
	connection, err := pool.take()
	if err != nil {
		return nil, err
	}
	value, err := connection.get(key)
	if err != nil && !errors.Is(err, errNoSession) {
		connection.Close()
		return nil, err
	}
	select {
	case pool.free <- connection:
	default:
		connection.Close()
	}
	return value, err
}

func (pool *redisPool) take() (*redisConnection, error) {
	select {
	case connection := <-pool.free:
		return connection, nil
	default:
	}
	connection, err := net.Dial("tcp", pool.address)
	if err != nil {
		return nil, err
	}
	return &redisConnection{connection, bufio.NewReaderSize(connection, 8192)}, nil
}

func (connection *redisConnection) get(key string) ([]byte, error) {
	command := make([]byte, 0, 128)
	command = append(command, "*2\r\n$3\r\nGET\r\n$"...)
	command = strconv.AppendInt(command, int64(len(key)), 10)
	command = append(command, "\r\n"...)
	command = append(command, key...)
	command = append(command, "\r\n"...)
	if _, err := connection.Write(command); err != nil {
		return nil, err
	}
	line, err := connection.reader.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	if len(line) < 4 || line[0] != '$' {
		return nil, fmt.Errorf("redis said %q", line)
	}
	length, err := strconv.Atoi(string(line[1 : len(line)-2]))
	if err != nil {
		return nil, err
	}
	if length < 0 {
		return nil, errNoSession
	}
	value := make([]byte, length+2)
	if _, err := io.ReadFull(connection.reader, value); err != nil {
		return nil, err
	}
	return value[:length], nil
}

// agent is the handler in front of the reverse proxy.
type agent struct {
	cookieName string
	hmacKey    []byte
	seal       cipher.AEAD
	sessions   *redisPool
	proxy      *httputil.ReverseProxy
}

func (agent *agent) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	bearer, err := agent.bearer(request)
	if errors.Is(err, errNoSession) {
		http.Error(writer, "not signed in", http.StatusUnauthorized)
		return
	}
	if err != nil {
		http.Error(writer, "the session store is away", http.StatusServiceUnavailable)
		return
	}
	if request.URL.Path == authPath {
		writer.Header().Set("Authorization", "Bearer "+string(bearer))
		writer.Header().Set("X-User", string(bearer[:userBytes]))
		writer.WriteHeader(http.StatusOK)
		return
	}
	request.Header.Del("Cookie")
	request.Header.Set("Authorization", "Bearer "+string(bearer))
	agent.proxy.ServeHTTP(writer, request)
}

func (agent *agent) bearer(request *http.Request) ([]byte, error) {
	cookie, err := request.Cookie(agent.cookieName)
	if err != nil {
		return nil, errNoSession
	}
	name, signature, found := strings.Cut(cookie.Value, ".")
	if !found || !agent.isSigned(name, signature) {
		return nil, errNoSession
	}
	sealed, err := agent.sessions.get("standin:" + name)
	if err != nil {
		return nil, err
	}
	if len(sealed) < nonceBytes {
		return nil, errNoSession
	}
	opened, err := agent.seal.Open(nil, sealed[:nonceBytes], sealed[nonceBytes:], nil)
	if err != nil || len(opened) < userBytes {
		return nil, errNoSession
	}
	return opened, nil
}

func (agent *agent) isSigned(name, signature string) bool {
	presented, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, agent.hmacKey)
	mac.Write([]byte(name))
	return hmac.Equal(mac.Sum(nil), presented)
}

// bufferPool saves the proxy from allocating its copy buffer anew for each answer.
type bufferPool chan []byte

func (pool bufferPool) Get() []byte {
	select {
	case buffer := <-pool:
		return buffer
	default:
		return make([]byte, copyBufferSize)
	}
}

func (pool bufferPool) Put(buffer []byte) {
	select {
	case pool <- buffer:
	default:
	}
}

func newProxy(upstream *url.URL) *httputil.ReverseProxy {
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	proxy.BufferPool = make(bufferPool, idleUpstream)
	proxy.Transport = &http.Transport{
		DisableCompression:  true,
		MaxIdleConns:        idleUpstream,
		MaxIdleConnsPerHost: idleUpstream,
		IdleConnTimeout:     2 * time.Minute,
	}
	return proxy
}

func newAgent() *agent {
	upstream, err := url.Parse(os.Getenv("UPSTREAM"))
	if err != nil {
		log.Fatal(err)
	}
	block, err := aes.NewCipher(key("SEAL_KEY"))
	if err != nil {
		log.Fatal(err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		log.Fatal(err)
	}
	return &agent{
		cookieName: os.Getenv("COOKIE_NAME"),
		hmacKey:    key("HMAC_KEY"),
		seal:       seal,
		sessions:   &redisPool{os.Getenv("REDIS"), make(chan *redisConnection, pooledRedis)},
		proxy:      newProxy(upstream),
	}
}

func key(name string) []byte {
	decoded, err := hex.DecodeString(os.Getenv(name))
	if err != nil {
		log.Fatalf("%s: %v", name, err)
	}
	return decoded
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println("Go", strings.TrimPrefix(runtime.Version(), "go"))
		return
	}
	server := &http.Server{Addr: os.Getenv("LISTEN"), Handler: newAgent(), IdleTimeout: 2 * time.Minute}
	log.Fatal(server.ListenAndServe())
}
