"""Holds the header's digests and ciphers against Python's over random inputs: compare.py ANSWER-PROGRAM"""
import hashlib
import hmac
import random
import subprocess
import sys

rng = random.Random(1)
try:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    AESGCM = None
    print("skipped: AES and GCM, because Python has no module cryptography (Debian: python3-cryptography)")

questions, answers = [], []


def ask(what, *given, answer):
    questions.append(" ".join([what] + [g.hex() or "-" for g in given]))
    answers.append(answer)


for length in list(range(200)) + [rng.randrange(5000) for _ in range(100)]:
    data, key = rng.randbytes(length), rng.randbytes(rng.randrange(65))
    ask("md5", data, answer=hashlib.md5(data).hexdigest())
    ask("sha256", data, answer=hashlib.sha256(data).hexdigest())
    ask("hmac", key, data, answer=hmac.new(key, data, "sha256").hexdigest())
    if AESGCM is None:
        continue
    key, block = rng.randbytes(16), rng.randbytes(16)
    ask("aes", key, block, answer=Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block).hex())
    nonce, additional = rng.randbytes(12), rng.randbytes(rng.randrange(60))
    sealed = AESGCM(key).encrypt(nonce, data, additional)
    ask("gcm", key, nonce, additional, sealed, answer=data.hex())
    touched = bytearray(sealed)
    touched[rng.randrange(len(touched))] ^= 1 << rng.randrange(8)
    ask("gcm", key, nonce, additional, bytes(touched), answer="forged")

run = subprocess.run(sys.argv[1:], input="\n".join(questions) + "\n", stdout=subprocess.PIPE, text=True, check=True)
got = run.stdout.splitlines()
wrong = [q for q, g, a in zip(questions, got, answers) if g != a]
for question in wrong[:5]:
    print("wrong: " + question[:200])
print("%d answers, %d wrong" % (len(answers), len(wrong)))
sys.exit(1 if wrong or len(got) != len(answers) else 0)
