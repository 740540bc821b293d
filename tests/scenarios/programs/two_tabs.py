"""Browser tabs that ask for the same page at once.  two_tabs.py URL [TABS]"""

import sys
import threading
import urllib.request


def tab(url):
    with urllib.request.urlopen(url, timeout=120) as answer:
        answer.read()


def main(url, tabs):
    threads = [threading.Thread(target=tab, args=(url,)) for _ in range(tabs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2)
