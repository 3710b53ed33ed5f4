/** How to publish to this server: the words shown while there is no stream. */

/** The port of RTMP (DESIGN §4, Ports). */
const RTMP_PORT = 1935;
/** The app and the stream of the examples. */
const APP = 'live';
const STREAM = 'cam1';

/** What an encoder is told. */
export interface PublishWords {
  /** OBS: Settings › Stream › Server. */
  readonly server: string;
  /** OBS: Settings › Stream › Stream Key. */
  readonly key: string;
  /** Publishes a test picture with a tone; runs as it stands. */
  readonly testPicture: string;
  /** Publishes a file in a loop, without encoding it again. */
  readonly file: string;
}

/** The settings for the host under which this page was reached. */
export function publishWords(hostname: string): PublishWords {
  const server = `rtmp://${hostname}:${String(RTMP_PORT)}/${APP}`;
  const picture = '-f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=frequency=440';
  const video = '-c:v libx264 -preset veryfast -tune zerolatency -pix_fmt yuv420p -g 60 -b:v 2500k';
  return {
    server,
    key: STREAM,
    testPicture: `ffmpeg -re ${picture} ${video} -c:a aac -b:a 128k -f flv ${server}/${STREAM}`,
    file: `ffmpeg -re -stream_loop -1 -i FILE.mp4 -c copy -f flv ${server}/${STREAM}`,
  };
}
